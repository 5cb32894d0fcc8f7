"""The time that a request allows counts from its first byte, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import valid

BODY = orjson.dumps(valid())
HEAD = (
    b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"X-Request-Deadline-Ms: 400\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)
WHOLE = HEAD + BODY


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = app_of(predictor_of(), tmp_path_factory.mktemp("home"), port=0)
    with on_a_socket(app, app.state.service.settings) as found:
        found.post("/v1/forecast", json=valid())  # the first one takes longer
        yield found


def status_of(client: httpx.Client, first: bytes, pause_seconds: float, rest: bytes) -> int:
    """Sends a request in two parts; gives the status of the answer."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) as connection:
        connection.sendall(first)
        time.sleep(pause_seconds)
        connection.sendall(rest)
        return int(connection.recv(1 << 16).split(b" ")[1])


@pytest.mark.parametrize("cut", [20, len(HEAD), len(HEAD) + 10, len(WHOLE)], ids=["head", "between", "body", "whole"])
def test_a_request_that_comes_in_time_is_answered(client: httpx.Client, cut: int) -> None:
    assert status_of(client, WHOLE[:cut], 0.02, WHOLE[cut:]) == 200


@pytest.mark.parametrize(
    ("cut", "status"), [(20, 504), (len(HEAD), 408), (len(HEAD) + 10, 408)], ids=["head", "between", "body"]
)
def test_a_slow_request_spends_its_own_time(client: httpx.Client, cut: int, status: int) -> None:
    assert status_of(client, WHOLE[:cut], 0.6, WHOLE[cut:]) == status


def test_time_in_which_a_connection_is_idle_counts_for_nobody(client: httpx.Client) -> None:
    again = WHOLE.replace(b"Connection: close\r\n", b"")
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) as connection:
        for _ in range(2):
            time.sleep(0.6)
            connection.sendall(again)
            assert connection.recv(1 << 16).split(b" ")[1] == b"200"
