"""Closed loops against a server in this process, by wrk and by the client that stands in for it."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from benchmarks.serving.closed import ClosedLoad, asyncio_load, wrk_load
from tests.benchmarks.serving.fakes import Answer, FakeServer, reply

BODIES = [b'{"number": 0}', b'{"number": 1}', b'{"number": 2}']
LOADS = [
    pytest.param(wrk_load, marks=pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")),
    asyncio_load,
]


def loaded(load, server: FakeServer) -> ClosedLoad:  # type: ignore[no-untyped-def]
    async def run() -> ClosedLoad:
        async with server.running() as address:
            return await asyncio.to_thread(load, address, "/", BODIES, 2, 1)

    return asyncio.run(run())


@pytest.mark.parametrize("load", LOADS)
def test_every_reply_is_counted_and_bodies_go_in_turn(load) -> None:  # type: ignore[no-untyped-def]
    server = FakeServer(lambda number, body: reply())
    found = loaded(load, server)
    assert found.errors == 0
    assert found.requests == pytest.approx(len(server.bodies), abs=4)
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.seconds == pytest.approx(1, abs=0.5)
    assert found.client_cpu_seconds > 0
    assert set(server.bodies) == set(BODIES)


@pytest.mark.parametrize("load", LOADS)
def test_errors_are_told_from_answers(load) -> None:  # type: ignore[no-untyped-def]
    def every_other(number: int, body: bytes) -> bytes:
        return reply(status=503) if number % 2 else reply()

    answer: Answer = every_other
    found = loaded(load, FakeServer(answer))
    assert found.errors == pytest.approx(found.requests, abs=4)
    assert found.errors > 0
