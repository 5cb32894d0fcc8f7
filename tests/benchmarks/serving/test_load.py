"""The open-loop generator against a server in this process: it keeps its schedule, and tells how each request ended."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from benchmarks.serving.connection import Address, http_request
from benchmarks.serving.load import OpenLoop, Sent, at_random, evenly, open_load, send_open_loop, tally
from tests.benchmarks.serving.fakes import Answer, FakeServer, reply
from tests.stack.servers import free_port


def sent_to(server: FakeServer, plan: OpenLoop, bodies: tuple[bytes, ...] = (b"{}",)) -> list[Sent]:
    async def send() -> list[Sent]:
        async with server.running() as address:
            return await send_open_loop(address, [http_request(address, "/", body) for body in bodies], plan)

    return asyncio.run(send())


def always(answer: bytes | None) -> Answer:
    return lambda number, body: answer


def test_requests_leave_when_they_are_due_whatever_becomes_of_the_earlier_ones() -> None:
    server = FakeServer(lambda number, body: None if number == 0 else reply())
    sent = sent_to(server, OpenLoop(evenly(50, 0.5), timeout_seconds=0.7))
    assert [one.status for one in sent] == [None, *[200] * 24]
    assert sent[0].fault == "timeout"
    assert np.diff([one.due for one in sent]) == pytest.approx(np.full(24, 0.02), abs=1e-6)
    assert max(one.delay_seconds for one in sent) < 0.3
    assert all(one.due <= one.started <= one.ended for one in sent)


def test_latency_counts_from_when_a_request_was_due() -> None:
    late = Sent(number=0, due=10.0, started=11.0, ended=11.5, status=200)
    assert late.latency_seconds == pytest.approx(1.5)
    assert late.delay_seconds == pytest.approx(1.0)


def test_bodies_are_sent_in_turn() -> None:
    server = FakeServer(always(reply()))
    sent_to(server, OpenLoop(evenly(100, 0.05)), (b"one", b"two"))
    assert sorted(server.bodies) == [b"one", b"one", b"one", b"two", b"two"]


def test_a_free_connection_is_used_again() -> None:
    server = FakeServer(always(reply()))
    sent = sent_to(server, OpenLoop(np.array([0.0, 0.2, 0.4])))
    assert [one.is_reused for one in sent] == [False, True, True]
    assert server.num_connections == 1


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    server = FakeServer(always(reply()), closes=True)
    sent = sent_to(server, OpenLoop(np.array([0.0, 0.3])))
    assert [(one.status, one.is_reused) for one in sent] == [(200, False), (200, False)]


def test_headers_of_interest_are_kept_and_bodies_where_asked_for() -> None:
    shed = reply(b"later", 429, "Retry-After: 3\r\nX-Request-Id: abc\r\nServer: fake\r\n")
    plan = OpenLoop(np.zeros(1))
    (without,) = sent_to(FakeServer(always(shed)), plan)
    (whole,) = sent_to(FakeServer(always(shed)), OpenLoop(plan.due, keeps_bodies=True))
    assert (without.status, without.body) == (429, None)
    assert without.headers == {"retry-after": "3", "x-request-id": "abc"}
    assert whole.body == b"later"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [(reply()[:-1], "half"), (reply()[:20], "half"), (b"", "reset"), (b"SSH-2.0-OpenSSH\r\n\r\n", "malformed")],
)
def test_broken_replies_are_told_apart(answer: bytes, fault: str) -> None:
    (sent,) = sent_to(FakeServer(always(answer), closes=True), OpenLoop(np.zeros(1)))
    assert (sent.status, sent.fault) == (None, fault)


def test_where_nobody_listens_requests_are_refused() -> None:
    nowhere = Address("127.0.0.1", free_port())
    sent = open_load(nowhere, [http_request(nowhere, "/")], OpenLoop(evenly(100, 0.05)))
    assert [one.fault for one in sent] == ["refused"] * 5


def test_no_more_than_the_limit_are_under_way() -> None:
    server = FakeServer(always(None))
    sent = sent_to(server, OpenLoop(np.linspace(0, 0.1, 6), timeout_seconds=0.5, max_open=4))
    assert [one.fault for one in sent] == [*["timeout"] * 4, *["held_back"] * 2]
    assert server.num_connections == 4


def test_five_hundred_requests_a_second_take_a_part_of_one_core() -> None:
    used, began = time.process_time(), time.monotonic()
    sent = sent_to(FakeServer(always(reply(b"x" * 16_000))), OpenLoop(evenly(500, 1.0)), (b"y" * 4_000,))
    assert [one.status for one in sent] == [200] * 500
    assert time.process_time() - used < 1.5  # client and server together
    assert time.monotonic() - began < 5


def test_random_times_keep_the_rate_and_the_order() -> None:
    due = at_random(500, 10.0, np.random.default_rng(0))
    assert len(due) == pytest.approx(5000, rel=0.05)
    assert (np.diff(due) >= 0).all()
    assert due[-1] < 10


def test_a_tally_counts_ends_and_measures_what_was_answered() -> None:
    answered = [Sent(number, 0.0, 0.0, number / 1000, status=200) for number in (1, 2, 3)]
    found = tally([*answered, Sent(3, 0.0, 0.0, 9.0, status=429), Sent(4, 0.0, 0.0, 9.0, fault="reset")])
    assert found.statuses == {200: 3, 429: 1}
    assert found.faults == {"reset": 1}
    assert found.p50_ms == pytest.approx(2.0)
    assert np.isnan(tally([]).p50_ms)
