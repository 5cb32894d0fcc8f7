"""The runner of jobs where the database answers what nobody thought of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from forecaster.ledger.job import Claimed, Job
from forecaster.ledger.jobs import Jobs
from service.compute.background import Background
from service.jobs.kinds import KINDS
from service.jobs.runner import Runner
from tests.explain.factories import predictor_of
from tests.service.factories import app_of

T = TypeVar("T")
_LEASE_SECONDS = 0.3
_CLAIMED = Claimed(Job("j", "forecast", "local", "running", 0, 0, None, 2**60, 1, 0.0, None), b"{}")


class Stubborn(Runner):
    """Is always at a job without an end, beside a database that answers by `reply`."""

    reply: Callable[[], bool]

    @classmethod
    def made(cls, home: Path, reply: Callable[[], bool]) -> Stubborn:
        runner = cls(app_of(predictor_of(), home).state.service, KINDS, _LEASE_SECONDS)
        runner.reply = reply
        return runner

    async def again_and_again(self, outcomes: list[str]) -> None:
        while True:
            outcomes.append(await self._done(_CLAIMED))

    async def _answer(self, claimed: Claimed, background: Background) -> bytes:
        await asyncio.sleep(3600)
        return b""

    async def _ask(self, call: Callable[[Jobs], T]) -> T:
        return self.reply()  # type: ignore[return-value]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


def test_a_job_whose_lease_is_lost_is_left_for_the_next(tmp_path: Path) -> None:
    async def run() -> None:
        outcomes: list[str] = []
        task = asyncio.create_task(Stubborn.made(tmp_path, lambda: False).again_and_again(outcomes))
        await until(lambda: outcomes == ["lost", "lost"])
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    asyncio.run(run())


def test_a_renewal_that_fails_ends_neither_the_job_nor_the_end_of_the_service(tmp_path: Path) -> None:
    asked: list[int] = []

    def fails() -> bool:
        asked.append(1)
        raise ValueError("nothing that the ledger knows of")

    async def run() -> None:
        outcomes: list[str] = []
        task = asyncio.create_task(Stubborn.made(tmp_path, fails).again_and_again(outcomes))
        await until(lambda: len(asked) >= 3)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
        assert outcomes == []

    asyncio.run(run())


def test_a_service_that_ends_while_a_lease_is_lost_ends(tmp_path: Path) -> None:
    async def run() -> None:
        outcomes: list[str] = []

        def lost_as_the_service_ends() -> bool:
            task.cancel()
            return False

        task = asyncio.create_task(Stubborn.made(tmp_path, lost_as_the_service_ends).again_and_again(outcomes))
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
        assert outcomes == []

    asyncio.run(run())
