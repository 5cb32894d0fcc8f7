"""An explanation is computed in parts, between which others have their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from service.compute.batcher import Batcher
from service.compute.work import Alone
from service.errors import DeadlineExceeded, Overloaded
from service.explain.asked import Asked, explained
from service.explain.schemas import ExplainRequest
from tests.explain.factories import predictor_of, waves
from tests.service.fake_models import served_as_waves

T = TypeVar("T")
SOON = 30.0


def run(ask: Callable[[], Awaitable[T]]) -> T:
    async def asked() -> T:
        return await ask()

    return asyncio.run(asked())


def soon() -> float:
    return time.monotonic() + SOON


def small_request() -> Asked:
    one = {"id": "s0", "start": "2024-01-01", "target": [1.0]}
    request = ExplainRequest.model_validate({"series": [one], "num_path_points": 2, "num_random_draws": 1})
    return Asked(request, served_as_waves(None), waves(), {}, 60)


def test_other_work_has_its_turn_between_the_parts_of_an_explanation() -> None:
    predictor, batcher = predictor_of(), Batcher(max_rows=1024, num_threads=1)

    async def ask() -> tuple[bool, int]:
        whole = asyncio.create_task(explained(small_request(), predictor, batcher, soon()))
        while batcher.backlog_seconds == 0:
            await asyncio.sleep(0)
        assert batcher.backlog_seconds < 0.5  # or none would be let in meanwhile
        await batcher.answer(Alone(lambda: None, 1), soon())
        was_done = whole.done()
        return was_done, (await whole).gradients.faithfulness.num_hidden

    try:
        was_done, num_hidden = run(ask)
    finally:
        batcher.close()
    assert not was_done
    assert num_hidden > 0


def test_an_explanation_ends_with_its_time() -> None:
    predictor, batcher = predictor_of(), Batcher(max_rows=32, num_threads=1)
    try:
        with pytest.raises((DeadlineExceeded, Overloaded)):
            run(lambda: explained(small_request(), predictor, batcher, time.monotonic()))
    finally:
        batcher.close()
