"""The edge of the service: deadlines, limits, and the end of the process, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from forecaster.errors import ConfigError
from service import errors, problems
from service.edge.server import Server, listen
from service.routes import health
from service.settings import Settings
from service.telemetry.telemetry import Telemetry
from tests.service.fake_models import served_as_waves

GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_HEAD = b"GET /quick HTTP/1.1\r\nHo"
HALF_BODY = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
BIG = 8 << 20


class Counts:
    def __init__(self) -> None:
        self.refused: list[str] = []
        self.telemetry = Telemetry()
        self.disconnected = threading.Event()
        self.began = threading.Event()
        self.release = threading.Event()

    def count_refusal(self, code: str) -> None:
        self.refused.append(code)

    def answered(self) -> list[str]:
        """What the application has counted: a line of metrics for each route, method and status."""
        shown = self.telemetry.exposition().decode()
        return re.findall(r"^forecaster_requests_total.*$", shown, re.MULTILINE)


class Silent:
    """An endpoint that owes its answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pass


class Failing:
    """An endpoint with a mistake."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("nobody expected this")


def in_parts(_: Request) -> Response:
    return StreamingResponse(iter([b"one ", b"two ", b"three"]))


def small_app(counts: Counts) -> FastAPI:
    app = FastAPI()
    app.state.service = SimpleNamespace(
        telemetry=counts,
        settings=Settings(),
        models=SimpleNamespace(served=[served_as_waves(None)]),
        zero_shot=SimpleNamespace(model=None),
        offered=SimpleNamespace(stand_in=None),
    )
    app.state.draining = False
    problems.install(app)
    app.include_router(health.router)
    app.router.routes += [Route("/silent", Silent()), Route("/fails", Failing()), Route("/parts", in_parts)]
    app.add_middleware(counts.telemetry.middleware)

    @app.get("/quick")
    async def quick() -> str:
        return "done"

    @app.get("/slow")
    async def slow() -> str:
        counts.began.set()
        while not counts.release.is_set():
            await asyncio.sleep(0.01)
        return "done"

    @app.get("/big")
    async def big() -> Response:
        return Response(b"x" * BIG)

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        try:
            return Response(await request.body())
        except ClientDisconnect:
            counts.disconnected.set()
            raise errors.BodyIncomplete("the client went away") from None

    @app.post("/full")
    async def full() -> Response:
        raise errors.BodyTooLarge("too large")

    return app


@contextmanager
def running(counts: Counts | None = None, **settings: Any) -> Iterator[Server]:
    """A server in a thread; it is told to end with the block, and has to."""
    chosen = Settings(home=Path("unused"), port=0, **settings)
    counts = counts or Counts()
    server = Server(small_app(counts), chosen)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield server
    finally:
        counts.release.set()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def until(fact: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)


@contextmanager
def connected(server: Server, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(server.servers[0].sockets[0].getsockname()[:2], timeout=10) as connection:
        connection.sendall(sent)
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    received = bytearray()
    while part := connection.recv(1 << 20):
        received += part
    return bytes(received)


def reply(connection: socket.socket) -> bytes:
    """One answer with a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    while len(body) < int(found[1]):
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def assert_problem(received: bytes, status: int, code: str) -> None:
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert_complete(head)
    assert (b"retry-after: " in head.lower()) == (status == 503)
    assert (json.loads(body)["status"], json.loads(body)["code"]) == (status, code)


def assert_complete(head: bytes) -> None:
    """Every answer has these headers, each once, whoever made it."""
    lines = head.lower().split(b"\r\n")
    assert (lines.count(b"x-content-type-options: nosniff"), lines.count(b"cache-control: no-store")) == (1, 1)
    assert len([line for line in lines if line.startswith(b"x-request-id: ")]) == 1


@pytest.mark.parametrize("path", [b"quick", b"missing", b"fails", b"silent"])
def test_each_answer_has_the_same_headers_that_keep_it_safe(path: bytes) -> None:
    with running() as server, connected(server, GET % path) as connection:
        head, _, body = reply(connection).partition(b"\r\n\r\n")
    assert_complete(head)
    if path in (b"fails", b"silent"):
        assert json.loads(body)["code"] == "internal"
        assert b"x-request-id: " + json.loads(body)["request_id"].encode() in head


def test_a_silent_connection_is_closed_without_a_word() -> None:
    with running(header_seconds=0.2) as server, connected(server) as connection:
        assert rest(connection) == b""


@pytest.mark.parametrize("before", [b"", GET % b"quick"], ids=["at first", "after an answer"])
def test_headers_that_do_not_end_get_408(before: bytes) -> None:
    counts = Counts()
    with running(counts, header_seconds=0.2) as server, connected(server, before) as connection:
        if before:
            reply(connection)
        connection.sendall(HALF_HEAD)
        assert_problem(rest(connection), 408, "request-too-slow")
    assert counts.refused == ["request-too-slow"]


def test_headers_that_drip_in_do_not_move_their_deadline() -> None:
    with running(header_seconds=0.3) as server, connected(server, HALF_HEAD) as connection:
        begin = time.monotonic()
        connection.settimeout(0.05)
        received = b""
        while not received:
            assert time.monotonic() < begin + 5
            try:
                received = connection.recv(1 << 16)
            except TimeoutError:
                connection.sendall(b"s")
        assert received.startswith(b"HTTP/1.1 408 ")


def test_the_deadline_of_headers_counts_from_their_first_byte() -> None:
    with running(header_seconds=1) as server, connected(server) as connection:
        time.sleep(0.7)
        connection.sendall(HALF_HEAD)
        time.sleep(0.5)
        connection.sendall(b"st: x\r\n\r\n")
        assert reply(connection).endswith(b'"done"')


def test_line_breaks_do_not_keep_a_connection_open() -> None:
    with running(header_seconds=0.3) as server, connected(server, GET % b"quick") as connection:
        reply(connection)
        connection.sendall(b"\r\n")
        begin = time.monotonic()
        assert rest(connection) == b""
        assert time.monotonic() < begin + 3


def test_a_body_that_does_not_end_gets_408_and_the_application_sees_a_disconnect() -> None:
    counts = Counts()
    with running(counts, body_seconds=0.2) as server, connected(server, HALF_BODY) as connection:
        assert_problem(rest(connection), 408, "request-too-slow")
        assert counts.disconnected.wait(5)


def test_a_request_that_is_refused_within_its_body_is_counted_once() -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    counts = Counts()
    with running(counts) as server:
        with connected(server, head + b"no number of a chunk\r\n") as connection:
            assert_problem(rest(connection), 400, "invalid-http")
        until(counts.disconnected.is_set)
        with connected(server, GET % b"quick") as connection:
            reply(connection)
        until(lambda: bool(counts.answered()))  # counted a moment after the client has its reply
        assert counts.refused == ["invalid-http"]
        assert counts.answered() == ['forecaster_requests_total{method="GET",route="/quick",status="200"} 1.0']


def test_a_request_that_comes_in_pieces_in_time_is_answered() -> None:
    with running(header_seconds=5, body_seconds=5) as server, connected(server) as connection:
        for place in range(len(HALF_BODY)):
            connection.sendall(HALF_BODY[place : place + 1])
        connection.sendall(b"67890")
        assert reply(connection).endswith(b"\r\n\r\n1234567890")


def test_an_answer_that_nobody_reads_is_cut() -> None:
    with running(write_seconds=0.2) as server, connected(server, GET % b"big") as connection:
        until(lambda: server.server_state.connections)
        until(lambda: not server.server_state.connections)
        num_bytes = 0
        with suppress(ConnectionResetError):
            num_bytes = len(rest(connection))
        assert num_bytes < BIG


def test_an_answer_that_is_read_slowly_arrives_whole() -> None:
    with running(write_seconds=5) as server, connected(server, GET % b"big") as connection:
        time.sleep(0.1)
        assert reply(connection).endswith(b"x" * BIG)


def test_an_answer_may_take_longer_than_its_deadline_where_it_is_read_steadily() -> None:
    with running(write_seconds=1) as server, connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(GET % b"big")
        begun, num_bytes = time.monotonic(), 0
        while num_bytes < BIG:
            part = connection.recv(1 << 17)
            assert part, f"cut after {num_bytes} bytes"
            num_bytes += len(part)
            time.sleep(0.03)
        assert time.monotonic() - begun > 1.5


@pytest.mark.parametrize("num_sent", [500_000, 9_000_000], ids=["a part", "all"])
def test_an_early_answer_reaches_a_client_that_sends_before_it_reads(num_sent: int) -> None:
    head = b"POST /full HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    with running() as server, connected(server, head) as connection:
        for _ in range(num_sent // 100_000):
            connection.sendall(b"x" * 100_000)
            time.sleep(0.001)  # what is sent has arrived before more is, or it would wait within the client
        assert_problem(rest(connection), 413, "body-too-large")


def test_a_client_that_goes_on_sending_is_cut() -> None:
    head = b"POST /full HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n"
    with running() as server, connected(server, head) as connection, pytest.raises(ConnectionError):
        while True:
            connection.sendall(b"x" * 100_000)
            time.sleep(0.01)


def test_connections_above_the_limit_get_503_at_once_and_room_is_made_again() -> None:
    with running(max_connections=2) as server:
        with connected(server) as first, connected(server) as second:
            until(lambda: len(server.server_state.connections) == 2)
            with connected(server, GET % b"quick") as third:
                assert_problem(rest(third), 503, "too-many-connections")
            first.sendall(GET % b"quick")
            second.sendall(GET % b"quick")
            assert reply(first).endswith(b'"done"')
            assert reply(second).endswith(b'"done"')
        until(lambda: not server.server_state.connections)
        with connected(server, GET % b"quick") as again:
            assert reply(again).endswith(b'"done"')


def test_a_refusal_follows_the_answers_to_what_came_before_it() -> None:
    with running() as server, connected(server, GET % b"quick" + GET % b"quick" + b"nonsense\r\n\r\n") as connection:
        received = rest(connection)
        assert [line.split()[1] for line in re.findall(rb"HTTP/1.1 \d+", received)] == [b"200", b"200", b"400"]


def test_a_hundred_requests_in_one_piece_are_answered_and_a_thousand_are_not() -> None:
    with running() as server:
        with connected(server, GET % b"quick" * 100) as connection:
            received = b""
            while received.count(b'"done"') < 100:
                received += connection.recv(1 << 16)
        with connected(server, GET % b"quick" * 1000) as connection:
            assert b"HTTP/1.1 400 " in rest(connection)


def test_a_draining_server_answers_what_it_began_and_closes_what_is_idle() -> None:
    counts = Counts()
    with running(counts) as server, connected(server, GET % b"slow") as busy, connected(server) as idle:
        assert counts.began.wait(5)
        address = busy.getpeername()
        server.should_exit = True
        assert rest(idle) == b""
        counts.release.set()
        answer = rest(busy)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        with pytest.raises(ConnectionRefusedError, match="refused"):
            socket.create_connection(address, timeout=10)


def test_a_draining_server_is_not_ready_and_serves_all_else_during_the_grace() -> None:
    with running(drain_grace_seconds=0.5) as server, connected(server, GET % b"readyz") as connection:
        assert reply(connection).startswith(b"HTTP/1.1 200 ")
        server.should_exit = True
        until(lambda: server.server_state.draining)
        with connected(server, GET % b"readyz") as asking:
            assert_problem(rest(asking), 503, "draining")
        connection.sendall(GET % b"quick")
        answer = rest(connection)
        assert answer.endswith(b'"done"')
        assert b"connection: close" in answer


@pytest.mark.parametrize("sent", [HALF_HEAD, HALF_BODY], ids=["headers", "body"])
def test_half_a_request_does_not_hold_a_draining_server(sent: bytes) -> None:
    with running(drain_seconds=8) as server, connected(server, sent) as connection:
        until(lambda: any(one.is_receiving for one in server.server_state.connections))  # type: ignore[union-attr]
        begin = time.monotonic()
        server.should_exit = True
        assert_problem(rest(connection), 503, "draining")
        assert time.monotonic() < begin + 5


def test_what_runs_at_the_end_of_the_drain_gets_503() -> None:
    counts = Counts()
    with running(counts, drain_seconds=0.5) as server, connected(server, GET % b"slow") as connection:
        assert counts.began.wait(5)
        server.should_exit = True
        assert_problem(rest(connection), 503, "draining")
    assert counts.refused == ["draining"]


def test_an_address_in_use_is_a_config_error() -> None:
    with listen(Settings(port=0)) as taken, pytest.raises(ConfigError, match="cannot listen on"):
        listen(Settings(port=taken.getsockname()[1]))
