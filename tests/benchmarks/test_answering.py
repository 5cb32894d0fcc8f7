"""Whether a server answers: only with 200, and whatever is there instead of one is no error."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from benchmarks.answering import answers
from tests.stack.servers import free_port


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"220 this speaks of mail\r\n", False),
        (b"", False),
    ],
)
def test_only_200_is_an_answer(reply: bytes, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        assert answers(f"http://127.0.0.1:{server.getsockname()[1]}/readyz") is expected
        thread.join(timeout=10)
        assert asked[0].startswith(b"GET /readyz HTTP/1.1\r\n")


def test_nobody_and_somebody_who_is_silent_do_not_answer() -> None:
    assert not answers(f"http://127.0.0.1:{free_port()}/readyz")
    with socket.create_server(("127.0.0.1", 0)) as server:
        begun = time.monotonic()
        assert not answers(f"http://127.0.0.1:{server.getsockname()[1]}/readyz", seconds=0.2)
        assert time.monotonic() - begun >= 0.2
