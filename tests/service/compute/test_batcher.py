"""The batcher: one client's bad luck is no other's, nobody waits for nothing, and nothing is computed in vain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.types import WindowBatch
from service.compute.batcher import Batcher
from service.compute.work import Alone, Answered, Rows, Work
from service.errors import DeadlineExceeded, Draining, Overloaded
from tests.service.fake_models import CRASH, POISON, Echo

T = TypeVar("T")
LEVELS = (0.5,)


def rows(predictor: Any, *lasts: float, levels: tuple[float, ...] = LEVELS) -> Rows:
    context = torch.tensor([[0.0, last] for last in lasts], dtype=torch.float64)
    observed = torch.ones_like(context, dtype=torch.bool)
    return Rows(predictor, levels, WindowBatch(context, observed, context[:, :0], observed[:, :0]))


def running(
    scenario: Callable[[Batcher], Awaitable[T]], max_rows: int = 8, discarded: Callable[[Work], None] = lambda _: None
) -> T:
    batcher, before = Batcher(max_rows, 1, discarded), set(threading.enumerate())

    async def run() -> T:
        return await asyncio.wait_for(scenario(batcher), 20)

    try:
        return asyncio.run(run())
    finally:
        batcher.close()
        assert {thread for thread in threading.enumerate() if thread.name == "inference"} <= before


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def held(batcher: Batcher, echo: Echo) -> asyncio.Task[Answered]:
    """Closes the gate and sends a work that waits there, so that all that follows queues up behind it."""
    echo.gate.clear()
    first = asyncio.create_task(batcher.answer(rows(echo, -1.0), soon()))
    await until(lambda: batcher.busy_seconds > 0)
    return first


def test_work_that_waits_together_is_computed_together_and_each_gets_its_own() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        tasks = [asyncio.create_task(batcher.answer(rows(echo, *lasts), soon())) for lasts in ([1, 2], [3], [4, 5, 6])]
        await asyncio.sleep(0.01)
        echo.gate.set()
        answers = await asyncio.gather(*tasks)
        assert [answer.value[:, 0, 0].tolist() for answer in answers] == [[1, 2], [3], [4, 5, 6]]
        assert {answer.batch_rows for answer in answers} == {6}
        assert echo.batches == [[-1], [1, 2, 3, 4, 5, 6]]
        assert (await first).batch_rows == 1

    running(scenario)


def test_an_idle_batcher_computes_at_once() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        answered = await batcher.answer(rows(echo, 1.0), soon())
        assert answered.queue_seconds < 1
        assert echo.batches == [[1.0]]
        assert batcher.busy_seconds == batcher.backlog_seconds == 0

    running(scenario)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=12), st.integers(1, 9))
def test_a_batch_holds_no_more_rows_than_allowed_unless_one_work_alone_does(sizes: list[int], max_rows: int) -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        tasks = [
            asyncio.create_task(batcher.answer(rows(echo, *[float(number)] * size), soon()))
            for number, size in enumerate(sizes)
        ]
        await asyncio.sleep(0)
        echo.gate.set()
        answers = await asyncio.gather(*tasks)
        for number, (size, answer) in enumerate(zip(sizes, answers, strict=True)):
            assert answer.value[:, 0, 0].tolist() == [number] * size
        for batch in echo.batches:
            assert len(batch) <= max_rows or len(set(batch)) == 1
        await first

    running(scenario, max_rows)


@pytest.mark.parametrize("other", ["model", "levels"])
def test_other_models_and_other_levels_make_other_batches(other: str) -> None:
    async def scenario(batcher: Batcher) -> None:
        echo, second = Echo(), Echo()
        first = await held(batcher, echo)
        strange = rows(second, 2.0) if other == "model" else rows(echo, 2.0, levels=(0.1, 0.9))
        works = [rows(echo, 1.0), strange, rows(echo, 3.0)]
        tasks = [asyncio.create_task(batcher.answer(work, soon())) for work in works]
        await asyncio.sleep(0.01)
        echo.gate.set()
        answers = await asyncio.gather(first, *tasks)
        assert [answer.value.shape[2] for answer in answers[1:]] == [1, len(strange.levels), 1]
        assert echo.batches + second.batches in ([[-1], [1, 3], [2]], [[-1], [1, 3], [2]])

    running(scenario)


def test_work_given_up_or_expired_in_the_queue_is_never_computed() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        given_up = asyncio.create_task(batcher.answer(rows(echo, 1.0), soon()))
        late = asyncio.create_task(batcher.answer(rows(echo, 2.0), soon(0.01)))
        kept = asyncio.create_task(batcher.answer(rows(echo, 3.0), soon()))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(Overloaded, match="more requests waited") as refused:
            await late
        assert refused.value.retry_after_seconds >= 1
        echo.gate.set()
        await asyncio.gather(first, kept)
        assert echo.batches == [[-1], [3.0]]

    running(scenario)


def test_work_that_was_computed_for_nobody_is_told_of_and_no_other() -> None:
    discarded: list[tuple[int, bool]] = []

    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        never = asyncio.create_task(batcher.answer(rows(echo, 1.0), soon()))
        await asyncio.sleep(0.01)
        for task in (first, never):  # the one is computed at this moment, the other one waits
            task.cancel()
        echo.gate.set()
        await batcher.answer(rows(echo, 2.0), soon())
        echo.gate.clear()
        late = asyncio.create_task(batcher.answer(rows(echo, 3.0, 4.0), soon(0.05)))
        with pytest.raises(DeadlineExceeded):
            await late
        echo.gate.set()
        await batcher.answer(rows(echo, 5.0), soon())
        assert echo.batches == [[-1], [2.0], [3.0, 4.0], [5.0]]

    running(scenario, discarded=lambda work: discarded.append((work.task.num_rows, work.outcome.cancelled())))
    assert discarded == [(1, True), (2, False)]


def test_a_model_that_hangs_is_answered_for_at_the_deadline() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        began = time.monotonic()
        with pytest.raises(Overloaded):
            await batcher.answer(rows(echo, 1.0), soon(0.05))
        assert time.monotonic() - began < 5
        assert batcher.busy_seconds > 0.04
        echo.gate.set()
        await first

    running(scenario)


@pytest.mark.parametrize("place", range(8))
def test_a_failure_reaches_only_the_work_that_fails(place: int) -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        lasts = [CRASH if number == place else float(number) for number in range(8)]
        tasks = [asyncio.create_task(batcher.answer(rows(echo, last), soon())) for last in lasts]
        await asyncio.sleep(0)
        echo.gate.set()
        answers = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert isinstance(answers[1 + place], ValueError)
        good = [answer for number, answer in enumerate(answers[1:]) if number != place]
        assert [answer.value[0, 0, 0] for answer in good if isinstance(answer, Answered)] == [
            float(number) for number in range(8) if number != place
        ]
        assert isinstance(await batcher.answer(rows(echo, 1.0), soon()), Answered)  # the thread lives on

    running(scenario)


def test_a_value_that_is_not_finite_stays_in_its_own_rows() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        tasks = [asyncio.create_task(batcher.answer(rows(echo, last), soon())) for last in (1.0, POISON, 3.0)]
        await asyncio.sleep(0)
        echo.gate.set()
        _, one, two, three = await asyncio.gather(first, *tasks)
        assert np.isnan(two.value).all()
        assert np.isfinite(one.value).all()
        assert np.isfinite(three.value).all()

    running(scenario)


def test_a_function_runs_alone_and_in_its_turn() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        order: list[str] = []
        before = asyncio.create_task(batcher.answer(rows(echo, 1.0), soon()))
        alone = asyncio.create_task(
            batcher.answer(Alone(lambda: order.append(f"after {len(echo.batches)}"), 5), soon())
        )
        await asyncio.sleep(0)
        echo.gate.set()
        await asyncio.gather(first, before, alone)
        assert order == ["after 2"]

    running(scenario)


def test_a_large_client_lets_others_in_between_its_pieces() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo(seconds=0.002)

        async def large() -> None:
            for _ in range(20):
                await batcher.answer(rows(echo, *[0.0] * 8), soon())

        working = asyncio.create_task(large())
        await until(lambda: len(echo.batches) > 1)
        await batcher.answer(rows(echo, 1.0), soon())
        assert not working.done()
        assert len(echo.batches) < 8
        await working

    running(scenario)


def test_the_backlog_is_told_from_what_rows_have_taken() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo(seconds=0.02)
        for _ in range(30):
            await batcher.answer(rows(echo, 1.0), soon())
        first = await held(batcher, echo)
        tasks = [asyncio.create_task(batcher.answer(rows(echo, *[1.0] * 4), soon())) for _ in range(5)]
        await asyncio.sleep(0)
        assert 0.06 < batcher.backlog_seconds < 0.3  # 21 rows, in three passes of 20 ms each
        echo.gate.set()
        await asyncio.gather(first, *tasks)
        assert batcher.backlog_seconds == 0

    running(scenario)


def test_closing_answers_everybody_who_waits() -> None:
    async def scenario(batcher: Batcher) -> None:
        echo = Echo()
        first = await held(batcher, echo)
        tasks = [asyncio.create_task(batcher.answer(rows(echo, float(i)), soon())) for i in range(3)]
        await asyncio.sleep(0.01)
        threading.Timer(0.05, echo.gate.set).start()
        await asyncio.to_thread(batcher.close)
        assert isinstance(await first, Answered)
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(answer, Draining | Answered)
        with pytest.raises(Draining, match="shutting down"):
            await batcher.answer(rows(echo, 1.0), soon())

    running(scenario)


def test_many_clients_get_their_own_answers_whatever_happens_to_others() -> None:
    async def client(batcher: Batcher, echo: Echo, number: int, generator: np.random.Generator) -> None:
        last = 100.0 + number
        expires = soon(0.0005 if generator.random() < 0.1 else 10)
        task = asyncio.create_task(batcher.answer(rows(echo, last), expires))
        if generator.random() < 0.2:
            await asyncio.sleep(generator.random() * 0.002)
            task.cancel()
        try:
            answered = await task
        except (asyncio.CancelledError, DeadlineExceeded, Overloaded):
            return
        assert answered.value[:, 0, 0].tolist() == [last]

    async def scenario(batcher: Batcher) -> None:
        echo, generator = Echo(), np.random.default_rng(0)
        for begin in range(0, 3000, 300):
            await asyncio.gather(*(client(batcher, echo, begin + i, generator) for i in range(300)))
        assert max(map(len, echo.batches)) > 1
        assert batcher.backlog_seconds == 0

    running(scenario, max_rows=32)
