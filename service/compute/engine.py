"""Answers questions in pieces that share forward passes with those of other clients.

Question ── cut ──> pieces of windows ── batcher ──> values ── finite? ──> Forecast
    └── needs a roll-out: some series after the other, block after block, alone
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.batches import joined
from forecaster.data.panel import Panel
from forecaster.predictor import Predictor
from forecaster.question import Question
from forecaster.rolling import RollingQuestion
from forecaster.types import Forecast
from service.compute.work import Alone, Answered, Rows, Task
from service.errors import ModelNotFinite
from service.schemas import SamplesIn

# Largest batches that are computed at once of a block of a roll-out: enough that its forward passes are no small ones,
# and little enough that others get in between.
_PASSES_OF_A_BLOCK = 2


@dataclass(frozen=True)
class Stages:
    """Where the time of an answer went, in seconds, and how many windows its largest batch had."""

    queue: float = 0.0
    compute: float = 0.0
    batch_rows: int = 0

    def then(self, answered: Answered) -> Stages:
        """Adds the stages of a further piece."""
        return Stages(
            self.queue + answered.queue_seconds,
            self.compute + answered.compute_seconds,
            max(self.batch_rows, answered.batch_rows),
        )


@dataclass(frozen=True)
class Given:
    """A forecast, its stages, and why it is not the model's, if so."""

    forecast: Forecast
    stages: Stages
    degraded: str | None = None
    batches: tuple[int, ...] = ()  # windows in the forward pass of each piece, which the last digits depend on


@dataclass(frozen=True)
class Piece:
    """Part of an answer: values [n H Q] of the series at some places [n]."""

    places: IntArray
    answered: Answered


class Computes(Protocol):
    """What an engine has its tasks computed by: the batcher, or what stands before it."""

    @property
    def max_rows(self) -> int:
        """Windows of one forward pass."""
        ...

    @property
    def backlog_seconds(self) -> float:
        """How long what is under way or waits is expected to take."""
        ...

    async def answer(self, task: Task, expires: float) -> Answered:
        """Computes a task, as `Batcher.answer` does."""
        ...


class Engine:
    """Computes forecasts on the inference thread of its batcher."""

    def __init__(self, batcher: Computes) -> None:
        self._batcher = batcher

    @property
    def is_idle(self) -> bool:
        """True where nothing is computed or waits."""
        return self._batcher.backlog_seconds == 0

    async def forecast(self, predictor: Predictor, question: Question, expires: float) -> Given:
        """Answers a question until `expires`, in monotonic time.

        Raises DeadlineExceeded or Overloaded at that time, and ModelNotFinite rather than answer NaN or infinity.
        """
        if question.needs_roll_out:
            return await self._rolled_out(predictor, question, expires)
        pieces, stages = [], Stages()
        async for piece in self.pieces(predictor, question, expires):
            pieces.append(piece)
            stages = stages.then(piece.answered)
        if len(pieces) == 1:  # of all series, in their order
            return Given(question.forecast(pieces[0].answered.value), stages, batches=(stages.batch_rows,))
        values = np.empty((len(question.series_ids), question.model.horizon, len(question.levels)))
        for piece in pieces:
            values[piece.places] = piece.answered.value
        batches = tuple(piece.answered.batch_rows for piece in pieces)
        return Given(question.forecast(values), stages, batches=batches)

    async def samples(self, predictor: Predictor, wanted: SamplesIn, forecast: Forecast, expires: float) -> FloatArray:
        """Draws joint scenarios [S N H] from a forecast that holds the model's levels, until `expires`."""
        own = forecast.at(predictor.levels)
        task = Alone(lambda: predictor.paths_of(own, wanted.number, wanted.seed).values, len(forecast.series_ids))
        return np.asarray((await self._batcher.answer(task, expires)).value)

    async def pieces(
        self, predictor: Predictor, question: Question | RollingQuestion, expires: float
    ) -> AsyncIterator[Piece]:
        """Yields the answer piece after piece, so that a large request leaves room for others in between.

        Raises ModelNotFinite for a piece with a value that is not finite.
        """
        for places in question.batches(self._batcher.max_rows):
            task = Rows(predictor, question.levels, question.windows(places))
            answered = await self._batcher.answer(task, expires)
            _refuse_not_finite(answered.value)
            yield Piece(places, answered)

    async def again(self, predictor: Predictor, question: Question, batches: Sequence[int], expires: float) -> Forecast:
        """Answers a question by forward passes of as many windows as it was once answered by, piece by piece.

        The last digits of a forecast hang on how many windows are computed together, and not on which.
        """
        if question.needs_roll_out:
            return (await self._rolled_out(predictor, question, expires)).forecast
        values = np.empty((len(question.series_ids), question.model.horizon, len(question.levels)))
        for places, num_rows in zip(question.batches(self._batcher.max_rows), batches, strict=True):
            task = Alone(partial(_in_company, predictor, question, places, num_rows), num_rows)
            values[places] = (await self._batcher.answer(task, expires)).value
        return question.forecast(values)

    async def _rolled_out(self, predictor: Predictor, question: Question, expires: float) -> Given:
        """Answers block after block of some series after the other: others get in between, and what is late ends."""
        panel, stages = question.to_panel(), Stages()
        block_length, num_paths = question.model.horizon, len(predictor.levels)
        values = np.empty((len(panel), question.horizon, len(question.levels)))
        for places in question.batches(max(1, _PASSES_OF_A_BLOCK * self._batcher.max_rows // num_paths)):
            blocks = _blocks(predictor, question, panel, places)
            for begin in range(0, question.horizon, block_length):
                rows = len(places) * (num_paths if begin else 1)
                answered = await self._batcher.answer(Alone(partial(next, blocks), rows, predictor), expires)
                _refuse_not_finite(answered.value)
                values[places, begin : begin + block_length] = answered.value[:, : question.horizon - begin]
                stages = stages.then(answered)
        return Given(question.forecast(values), stages)


def _blocks(predictor: Predictor, question: Question, panel: Panel, places: IntArray) -> Iterator[FloatArray]:
    """Yields the blocks [n H Q] of the answer to a question for some series of its panel."""
    part = predictor.question(panel.select(places), question.horizon, question.levels, roll_out=True)
    yield from predictor.blocks(part)


def _in_company(predictor: Predictor, question: Question, places: IntArray, num_rows: int) -> FloatArray:
    """Gives the values of some windows, computed with as many others, which are copies of theirs."""
    windows = question.windows(places)
    parts, left = [windows], num_rows - len(places)
    while left > 0:
        parts.append(windows.rows(slice(0, min(left, len(places)))))
        left -= len(places)
    return predictor.answer(joined(parts), question.levels)[: len(places)]


def _refuse_not_finite(values: FloatArray) -> None:
    if not np.isfinite(values).all():
        raise ModelNotFinite("the model gave a value that is not finite")
