"""Entries that are ready at the same time are written together, and each waits for its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from service.ledger.journal import Parts
from service.ledger.together import Together


class Written:
    """Notes what is written at once."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.groups: list[list[bytes]] = []
        self._failure = failure

    def __call__(self, entries: Sequence[Parts]) -> None:
        if self._failure is not None:
            raise self._failure
        self.groups.append([head for head, _ in entries])


def entry(number: int) -> Parts:
    return b"%d" % number, []


def test_what_is_ready_in_one_turn_is_written_by_one_call() -> None:
    written = Written()

    async def run() -> None:
        together = Together(written)
        for _ in range(2):
            await asyncio.gather(*(together.written(entry(number)) for number in range(3)))

    asyncio.run(run())
    assert written.groups == [[b"0", b"1", b"2"]] * 2


def test_nobody_comes_back_before_the_entry_stands_written() -> None:
    written = Written()

    async def one(together: Together, number: int) -> bool:
        await together.written(entry(number))
        return any(b"%d" % number in group for group in written.groups)

    async def run() -> list[bool]:
        together = Together(written)
        return await asyncio.gather(*(one(together, number) for number in range(5)))

    assert all(asyncio.run(run()))


def test_a_failure_is_told_to_all_that_wait_and_the_next_ones_are_written() -> None:
    async def run() -> list[BaseException | None]:
        failing = Together(Written(OSError("no room")))
        return await asyncio.gather(*(failing.written(entry(n)) for n in range(2)), return_exceptions=True)

    for found in asyncio.run(run()):
        with pytest.raises(OSError, match="no room"):
            raise found or AssertionError("came back")


def test_who_is_cancelled_holds_up_no_other() -> None:
    written = Written()

    async def run() -> None:
        together = Together(written)
        first, second = (asyncio.create_task(together.written(entry(number))) for number in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(run())
    assert written.groups == [[b"0", b"1"]]
