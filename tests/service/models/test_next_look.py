"""The next look at the registry: after the pause, or soon after somebody asked, and once for all who did."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import pytest

from service.models import next_look
from service.models.next_look import NextLook

LEAST = 0.05
NEVER = 3600.0  # seconds that no test waits for


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_look, "_LEAST_SECONDS", LEAST)


def run(steps: Callable[[NextLook], Awaitable[None]]) -> None:
    async def within_a_time() -> None:
        await asyncio.wait_for(steps(NextLook()), 30)  # type: ignore[arg-type]

    asyncio.run(within_a_time())


async def seconds_until(look: NextLook, pause_seconds: float) -> float:
    begin = time.monotonic()
    await look.wait(pause_seconds)
    return time.monotonic() - begin


def test_nobody_asks_and_the_pause_is_waited_for() -> None:
    async def steps(look: NextLook) -> None:
        assert await seconds_until(look, 0.3) >= 0.3

    run(steps)


def test_a_pause_shorter_than_the_least_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_look, "_LEAST_SECONDS", NEVER)

    async def steps(look: NextLook) -> None:
        await look.wait(0.02)

    run(steps)


def test_who_asks_while_the_pause_goes_on_ends_it() -> None:
    async def steps(look: NextLook) -> None:
        asyncio.get_running_loop().call_later(0.3, look.ask)
        assert await seconds_until(look, NEVER) >= 0.3

    run(steps)


def test_many_who_ask_get_one_look_and_who_asks_during_it_gets_another() -> None:
    async def steps(look: NextLook) -> None:
        for _ in range(100):
            look.ask()
        await look.wait(NEVER)
        assert await seconds_until(look, 0.3) >= 0.3  # nobody has asked since
        look.ask()
        await look.wait(NEVER)

    run(steps)


def test_a_flood_gets_no_more_looks_than_one_in_the_least_time() -> None:
    async def steps(look: NextLook) -> None:
        async def flood() -> None:
            while True:
                look.ask()
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        found = [time.monotonic()]
        for _ in range(10):
            await look.wait(NEVER)
            found.append(time.monotonic())
        flooding.cancel()
        assert min(after - before for before, after in itertools.pairwise(found)) >= 0.9 * LEAST

    run(steps)
