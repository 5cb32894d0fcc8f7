"""How the listening socket ends: who was let in is accepted, nobody else is."""

from __future__ import annotations

import socket
import sys

import pytest

from service.edge.listening import ignore_handshakes, listen
from service.settings import Settings


@pytest.mark.skipif(sys.platform != "linux", reason="filters on sockets are Linux'")
def test_who_was_let_in_is_accepted_and_who_comes_later_waits_until_it_is_refused() -> None:
    with listen(Settings(port=0, authentication=False)) as listener:
        early = socket.create_connection(listener.getsockname(), timeout=5)
        ignore_handshakes(listener)
        late = socket.socket()
        late.settimeout(0.2)
        with early, late:
            with pytest.raises(TimeoutError):
                late.connect(listener.getsockname())
            accepted, _ = listener.accept()
            with accepted:
                early.sendall(b"request")
                accepted.settimeout(5)
                assert accepted.recv(100) == b"request"
                accepted.sendall(b"answer")
                assert early.recv(100) == b"answer"
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.mark.skipif(sys.platform != "linux", reason="filters on sockets are Linux'")
def test_a_connection_is_refused_once_the_socket_is_closed() -> None:
    listener = listen(Settings(port=0, authentication=False))
    address = listener.getsockname()
    ignore_handshakes(listener)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
