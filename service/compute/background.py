"""What nobody waits for is computed while nothing else is, piece by piece, and each piece alone.

The last digits of a forecast hang on how many windows share a forward pass: what is alone gets the bytes that it gets
from an idle service, however busy this one is.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from service.compute.batcher import Batcher
from service.compute.work import Answered, Rows, Task

_LOOK_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 1.0  # of a piece: a service that is never idle does one in this time


class Background:
    """Stands before the batcher for one question, and knows how much of it is done."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self.num_rows = 0  # that the question takes; 0 while nobody knows
        self._num_rows_done = 0

    @property
    def progress(self) -> float:
        """The share that is done, from 0 to 1."""
        return min(1.0, self._num_rows_done / self.num_rows) if self.num_rows else 0.0

    @property
    def max_rows(self) -> int:
        """Windows of one forward pass."""
        return self._batcher.max_rows

    @property
    def backlog_seconds(self) -> float:
        """How long what is under way or waits is expected to take."""
        return self._batcher.backlog_seconds

    async def answer(self, task: Task, expires: float) -> Answered:
        """Computes a task as `Batcher.answer` does, once nobody else has work for it, or after a while."""
        patience = min(expires, time.monotonic() + _LONGEST_WAIT_SECONDS)
        while self._batcher.backlog_seconds > 0 and time.monotonic() < patience:
            await asyncio.sleep(_LOOK_SECONDS)
        answered = await self._batcher.answer(replace(task, is_alone=True) if isinstance(task, Rows) else task, expires)
        self._num_rows_done += task.num_rows
        return answered
