"""A client that gives up leaves all others their answers: each place in a batch, each size, each phase of its life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from forecaster.arrays import FloatArray
from service.compute.batcher import Batcher
from service.compute.work import Answered, Rows, Task
from tests.service.compute.test_batcher import held, rows, running, soon, until
from tests.service.fake_models import Echo

PHASES = ("queued", "collating", "computing", "delivering")
SIZES = (
    *(1, 2, 3, 8, 32),
    *(pytest.param(size, marks=pytest.mark.slow) for size in range(4, 32) if size != 8),
)


@dataclass(frozen=True, eq=False)
class Collated(Rows):
    """Rows whose batch, once taken, waits for a gate before it is computed."""

    taken: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def compute(self, company: Sequence[Task]) -> list[FloatArray]:
        self.taken.set()
        assert self.gate.wait(10)
        return super().compute(company)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("phase", PHASES)
def test_a_client_that_gives_up_leaves_all_others_their_answers(size: int, phase: str) -> None:
    async def scenario(batcher: Batcher) -> None:
        for given_up in range(size):
            await one_gives_up(batcher, size, given_up, phase)
        assert batcher.backlog_seconds == 0

    running(scenario, max_rows=32)


async def one_gives_up(batcher: Batcher, size: int, given_up: int, phase: str) -> None:
    """Lets one of a batch of clients give up in some phase, and looks at what was computed and what all of them got."""
    echo = Echo()
    first = await held(batcher, echo)
    works = [rows(echo, float(number)) for number in range(size)]
    leader = Collated(works[0].predictor, works[0].levels, works[0].windows)
    tasks = [asyncio.create_task(batcher.answer(work, soon())) for work in (leader, *works[1:])]
    await asyncio.sleep(0)
    if phase == "queued":
        tasks[given_up].cancel()
        await asyncio.sleep(0)
        leader.gate.set()
    await release_until(phase, echo, leader)
    tasks[given_up].cancel()
    leader.gate.set()
    echo.gate.set()
    answers: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers.pop(given_up), asyncio.CancelledError)
    others = [float(number) for number in range(size) if number != given_up]
    assert [answer.value[0, 0, 0] for answer in answers if isinstance(answer, Answered)] == others
    assert (await first).value[0, 0, 0] == -1.0
    computed = [-1.0, *(others if phase == "queued" else map(float, range(size)))]
    await until(lambda: sum(map(len, echo.batches)) >= len(computed))
    assert [last for batch in echo.batches for last in batch] == computed


async def release_until(phase: str, echo: Echo, leader: Collated) -> None:
    """Lets the work that holds the thread go, and the batch after it up to the given phase."""
    if phase == "queued":
        return
    echo.gate.set()
    await until(leader.taken.is_set)
    if phase == "collating":
        return
    if phase == "computing":
        echo.gate.clear()
    leader.gate.set()
    if phase == "computing":
        await asyncio.sleep(0.002)
        return
    while len(echo.batches) < 2:  # without a turn of the event loop: what is computed is not delivered yet
        threading.Event().wait(0.0005)
