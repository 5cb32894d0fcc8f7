"""Work for the inference thread: windows that others may join in one forward pass, or a function that runs alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from forecaster.arrays import FloatArray
from forecaster.data.batches import joined
from forecaster.predictor import Predictor
from forecaster.types import WindowBatch


@dataclass(frozen=True, eq=False)
class Rows:
    """Windows [b ...] of one model, wanted at some levels."""

    predictor: Predictor
    levels: tuple[float, ...]
    windows: WindowBatch
    is_alone: bool = False  # whatever could join it

    @property
    def num_rows(self) -> int:
        """How many windows there are (b)."""
        return len(self.windows.context)

    def may_join(self, other: Task) -> bool:
        """Says whether both may share a forward pass."""
        if not isinstance(other, Rows) or self.is_alone or other.is_alone:
            return False
        return self.predictor is other.predictor and self.levels == other.levels

    def compute(self, company: Sequence[Task]) -> list[FloatArray]:
        """Gives the quantiles [b H Q] of these windows, then those of each in company, from one forward pass."""
        tasks = [self, *(task for task in company if isinstance(task, Rows))]
        values = self.predictor.answer(joined([task.windows for task in tasks]), self.levels)
        parts, begin = [], 0
        for task in tasks:
            parts.append(values[begin : begin + task.num_rows])
            begin += task.num_rows
        return parts


@dataclass(frozen=True, eq=False)
class Alone:
    """A function as long as `num_rows` windows or the like, by what others took that named the same predictor."""

    function: Callable[[], Any]
    num_rows: int
    predictor: Predictor | None = None

    def may_join(self, other: Task) -> bool:
        """False: it has no company."""
        return False

    def compute(self, company: Sequence[Task]) -> list[Any]:
        """Gives what the function gives."""
        return [self.function()]


Task = Rows | Alone


@dataclass(frozen=True)
class Answered:
    """What a task came to, and how long its stages took."""

    value: Any
    queue_seconds: float
    compute_seconds: float  # of the whole batch
    batch_rows: int


@dataclass(eq=False)
class Work:
    """A task that somebody waits for."""

    task: Task
    outcome: asyncio.Future[Answered]
    submitted: float = field(default_factory=time.monotonic)
    has_begun: bool = False  # to be computed

    @property
    def is_wanted(self) -> bool:
        """False once it is answered, given up or past its deadline."""
        return not self.outcome.done()
