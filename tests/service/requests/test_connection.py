"""Bodies are read within their limit, and work ends with the client it is done for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.datastructures import Headers

from service.errors import AmbiguousLength, BodyIncomplete, BodyTooLarge, ClientGone, RequestTooSlow
from service.requests.connection import arrival, read_body, while_connected


def receiving(*messages: dict[str, Any]) -> Callable[[], Awaitable[Any]]:
    """A connection that gives these messages, then nothing more."""
    left = list(messages)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.parametrize(("limit", "fits"), [(6, True), (5, False)])
def test_a_body_is_read_up_to_its_limit(limit: int, fits: bool) -> None:
    receive = receiving(part(b"abc"), part(b"def", more=False))
    if fits:
        assert asyncio.run(read_body(Headers(), receive, limit, soon())) == b"abcdef"
    else:
        with pytest.raises(BodyTooLarge, match="more than 5 bytes"):
            asyncio.run(read_body(Headers(), receive, limit, soon()))


def test_a_declared_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BodyTooLarge, match="has 7 bytes"):
        asyncio.run(asyncio.wait_for(read_body(Headers({"content-length": "7"}), receiving(), 6, soon()), 1))


def test_two_ways_to_say_where_a_body_ends_are_refused() -> None:
    headers = Headers({"content-length": "7", "transfer-encoding": "chunked"})
    with pytest.raises(AmbiguousLength, match="send one of them"):
        asyncio.run(read_body(headers, receiving(part(b"", more=False)), 10, soon()))


def test_a_client_that_leaves_within_its_body_is_told_apart() -> None:
    with pytest.raises(BodyIncomplete, match="before its body ended"):
        asyncio.run(read_body(Headers(), receiving(part(b"abc"), GONE), 10, soon()))


@pytest.mark.parametrize("num_parts", [1, 3])
def test_a_body_that_ends_too_late_is_not_answered(num_parts: int) -> None:
    parts = [part(b"a", more=number < num_parts - 1) for number in range(num_parts)]
    assert len(asyncio.run(read_body(Headers(), receiving(*parts), 10, soon()))) == num_parts
    with pytest.raises(RequestTooSlow, match="the body did not arrive in the time"):
        asyncio.run(read_body(Headers(), receiving(*parts), 10, soon(-0.001)))


def test_a_request_arrived_when_the_server_says_so_and_else_now() -> None:
    assert arrival({"state": {"arrived": 17.5}}) == 17.5
    for silent in ({}, {"state": {}}):
        before = time.monotonic()
        assert before <= arrival(silent) <= time.monotonic()


def test_work_ends_when_its_client_goes_away() -> None:
    done = []

    async def work() -> None:
        leave = asyncio.Event()

        async def receive() -> Any:
            await leave.wait()
            return GONE

        asyncio.get_running_loop().call_later(0.01, leave.set)
        async with while_connected(receive):
            await asyncio.sleep(10)
            done.append("computed in vain")

    with pytest.raises(ClientGone, match="before it was answered"):
        asyncio.run(asyncio.wait_for(work(), 5))
    assert done == []


def test_work_that_is_cancelled_by_others_stays_cancelled() -> None:
    async def work() -> None:
        async with while_connected(receiving()):
            await asyncio.sleep(10)

    async def run() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_nothing_is_left_behind_when_the_work_is_done() -> None:
    async def run() -> int:
        async with while_connected(receiving()):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_a_client_that_leaves_just_after_the_work_changes_nothing() -> None:
    async def run() -> str:
        async with while_connected(receiving(GONE)):
            pass
        await asyncio.sleep(0.01)
        return "answered"

    assert asyncio.run(run()) == "answered"
