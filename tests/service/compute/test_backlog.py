"""How long work is expected to take: what waits shares passes, and large passes take less time by window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest

from service.compute.backlog import Backlog
from service.compute.batcher import Batcher
from service.compute.engine import Engine
from service.compute.work import Alone, Task
from tests.explain.factories import predictor_of
from tests.factories import sine_panel
from tests.service.compute.test_batcher import rows, running, soon, until
from tests.service.fake_models import Echo

FULL = 32


@contextmanager
def holding(backlog: Backlog, task: Task) -> Iterator[None]:
    seconds = backlog.add(task)
    yield
    backlog.take_away(task, seconds)


def backlog_of(echo: Echo, alone: float, full: float) -> Backlog:
    """A backlog that has seen passes of one window, and of `FULL` of them, take so long."""
    backlog = Backlog(FULL)
    for _ in range(3):
        backlog.learn(rows(echo, 0.0), 1, alone)
        backlog.learn(rows(echo, 0.0), FULL, full)
    return backlog


def test_what_waits_is_counted_by_the_passes_that_it_takes() -> None:
    echo = Echo()
    backlog = backlog_of(echo, alone=0.02, full=0.08)
    with ExitStack() as held:
        held.enter_context(holding(backlog, rows(echo, 1.0)))
        assert backlog.seconds == pytest.approx(0.02)
        for _ in range(2 * FULL):
            held.enter_context(holding(backlog, rows(echo, 1.0)))
        assert backlog.seconds == pytest.approx(2 * 0.08 + 0.02)
    assert backlog.seconds == 0


def test_what_shares_no_pass_is_counted_by_itself() -> None:
    echo = Echo()
    backlog = backlog_of(echo, alone=0.02, full=0.08)
    alone = replace(rows(echo, 1.0), is_alone=True)
    with holding(backlog, alone), holding(backlog, alone), holding(backlog, rows(Echo(), 1.0, 2.0)):
        assert backlog.seconds == pytest.approx(2 * 0.02 + 2 * 0.005)
    assert backlog.seconds == 0


def test_windows_alone_do_not_make_many_seem_as_slow() -> None:
    echo, backlog = Echo(), Backlog(FULL)
    backlog.learn(rows(echo, 0.0), 1, 0.05)
    with holding(backlog, rows(echo, *[1.0] * FULL)):
        assert backlog.seconds == pytest.approx(0.05 + (FULL - 1) * 0.005)
    fast, backlog = Echo(), Backlog(FULL)
    backlog.learn(rows(fast, 0.0), 1, 0.001)
    with holding(backlog, rows(fast, *[1.0] * FULL)):
        assert backlog.seconds == pytest.approx(FULL * 0.001)


def test_functions_are_expected_to_take_what_those_of_their_model_took() -> None:
    echo = Echo()
    backlog = backlog_of(echo, alone=0.02, full=0.08)
    task = Alone(lambda: None, 40, echo)  # type: ignore[arg-type]
    backlog.learn(task, 40, 0.4)
    with holding(backlog, task):
        assert backlog.seconds == pytest.approx(0.4)
    with holding(backlog, Alone(lambda: None, 40)):
        assert backlog.seconds == pytest.approx(40 * 0.005)


def test_a_long_roll_out_of_one_series_lets_others_in_between_its_blocks() -> None:
    predictor, panel = predictor_of(), sine_panel(1, 120)
    horizon = 40 * predictor.horizon
    question = predictor.question(panel, horizon, roll_out=True)

    async def scenario(batcher: Batcher) -> None:
        engine, echo = Engine(batcher), Echo()
        expected = predictor.predict(panel, horizon, roll_out=True)
        rolled = asyncio.create_task(engine.forecast(predictor, question, soon()))
        await until(lambda: batcher.backlog_seconds > 0)
        turns = 0
        while not rolled.done():
            await batcher.answer(rows(echo, 1.0), soon())
            turns += 1
        assert turns >= 20
        np.testing.assert_allclose((await rolled).forecast.values, expected.values, rtol=1e-9)

    running(scenario, max_rows=FULL)
