"""What nobody waits for is computed in the gaps that others leave, alone, and yet comes to an end."""

from __future__ import annotations

import asyncio
import time

import pytest

from service.compute import background as module
from service.compute.background import Background
from service.compute.batcher import Batcher
from service.errors import Overloaded
from tests.service.compute.test_batcher import held, rows, running, soon
from tests.service.fake_models import Echo


def test_others_go_first_also_those_who_come_later() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        job = asyncio.create_task(Background(batcher).answer(rows(echo, 7.0), soon()))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batcher.answer(rows(echo, last), soon())) for last in (1.0, 2.0)]
        await asyncio.sleep(0.05)
        assert batcher.backlog_seconds == pytest.approx(3 * 0.005)  # it does not queue up with them
        echo.gate.set()
        await asyncio.gather(first, job, *others)
        assert echo.batches == [[-1], [1, 2], [7]]

    running(scenario)


def test_it_has_no_company_even_where_others_could_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.0)

    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        early = asyncio.create_task(batcher.answer(rows(echo, 1.0), soon()))
        job = asyncio.create_task(Background(batcher).answer(rows(echo, 7.0, 8.0), soon()))
        late = asyncio.create_task(batcher.answer(rows(echo, 2.0), soon()))
        await asyncio.sleep(0.05)
        echo.gate.set()
        answers = await asyncio.gather(first, early, job, late)
        assert [answer.batch_rows for answer in answers] == [1, 2, 2, 2]
        assert echo.batches == [[-1], [1, 2], [7, 8]]

    running(scenario)


def test_a_service_that_is_never_idle_computes_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.1)

    async def scenario(batcher: Batcher) -> None:
        echo = Echo(seconds=0.005)

        async def keep_busy() -> None:
            while True:
                await batcher.answer(rows(echo, 1.0), soon())

        busy = [asyncio.create_task(keep_busy()) for _ in range(3)]
        background, began = Background(batcher), time.monotonic()
        background.num_rows = 4
        for number in range(3):
            await background.answer(rows(echo, 7.0), soon())
            assert background.progress == (number + 1) / 4
        assert time.monotonic() - began < 5
        for task in busy:
            task.cancel()

    running(scenario)


def test_it_waits_no_longer_than_it_may_take() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        with pytest.raises(Overloaded):
            await Background(batcher).answer(rows(echo, 7.0), soon(0.05))
        echo.gate.set()
        await first
        assert echo.batches == [[-1]]

    running(scenario)
