"""The batcher: windows of many clients become one forward pass, on the one thread of the process that computes.

    clients ── submit ──> arrivals ──> pending, in order ── take ──> batch ── compute ──> each client's own rows

A batch is the first work that is still wanted and what may join it, up to `max_rows` windows. It starts as soon as
the thread is free: alone where nobody else waits, so an idle service adds no delay. Work that was given up or is
past its deadline is never computed. Where a batch fails, each of its works is computed alone, so that a neighbour's
failure reaches nobody else. Time is monotonic throughout.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch

from service.compute.backlog import Backlog
from service.compute.work import Answered, Task, Work
from service.errors import DeadlineExceeded, Draining, Overloaded

log = logging.getLogger("service.compute.batcher")


class Batcher:
    """Owns the inference thread, which begins with the first work. To be used from one event loop.

    `discarded` is told of each work that was computed for nobody: its client had left, or its deadline had passed.
    """

    def __init__(self, max_rows: int, num_threads: int, discarded: Callable[[Work], None] = lambda _: None) -> None:
        self._max_rows = max_rows
        self._discarded = discarded
        self._num_threads = num_threads
        self._arrivals: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._backlog = Backlog(max_rows)
        self._busy_since: float | None = None

    @property
    def max_rows(self) -> int:
        """Windows of one forward pass."""
        return self._max_rows

    @property
    def backlog_seconds(self) -> float:
        """How long the work that is under way or waits is expected to take."""
        return self._backlog.seconds

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds until the backlog is gone, with up to as much again, so that not all come back at once."""
        spread = 1 + random.random()  # noqa: S311 - spreads load, hides nothing
        return max(1, math.ceil(self.backlog_seconds * spread))

    @property
    def busy_seconds(self) -> float:
        """How long the batch that is being computed has taken so far; 0 where none is."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    async def answer(self, task: Task, expires: float) -> Answered:
        """Computes a task, windows in company if there is any.

        `expires` is in monotonic time. Raises DeadlineExceeded at that time, or Overloaded where its turn had not come
        by then, Draining once closed, and what the computation raises. Cancelling the caller takes the work back.
        """
        if self._is_closed:
            raise _shutting_down()
        loop = asyncio.get_running_loop()
        work = Work(task, loop.create_future())
        timer = loop.call_later(max(0.0, expires - work.submitted), self._expire, work)
        self._start()
        seconds = self._backlog.add(task)
        self._arrivals.put(work)
        try:
            return await work.outcome
        finally:
            timer.cancel()
            self._backlog.take_away(task, seconds)

    def close(self) -> None:
        """Ends the thread after the batch it is at; what still waits gets Draining."""
        self._is_closed = True
        if self._thread is not None:
            self._arrivals.put(None)
            self._thread.join()

    def _expire(self, work: Work) -> None:
        if not work.is_wanted:
            return
        if work.has_begun:
            work.outcome.set_exception(DeadlineExceeded("the request was not answered in the time that it allows"))
        else:
            message = "more requests waited than could be answered in the time that this one allows"
            work.outcome.set_exception(Overloaded(message, self.retry_after_seconds))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="inference", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        """Computes batch after batch; the body of the inference thread."""
        torch.set_num_threads(self._num_threads)
        pending: deque[Work] = deque()
        while self._receive(pending):
            batch = _take(pending, self._max_rows)
            if batch:
                self._compute(batch)
        _deliver(pending, [_shutting_down() for _ in pending], self._discarded)

    def _receive(self, pending: deque[Work]) -> bool:
        """Moves arrivals to `pending`, and waits for one where it is empty; False once the batcher is closed."""
        try:
            while True:
                arrival = self._arrivals.get(block=not pending)
                if arrival is None:
                    return False
                pending.append(arrival)
        except queue.Empty:
            return True

    def _compute(self, batch: list[Work]) -> None:
        began = self._busy_since = time.monotonic()
        for work in batch:
            work.has_begun = True
        results = _results([work.task for work in batch])
        seconds = time.monotonic() - began
        self._busy_since = None
        rows = sum(work.task.num_rows for work in batch)
        self._backlog.learn(batch[0].task, rows, seconds)
        _deliver(
            batch,
            [
                result if isinstance(result, Exception) else Answered(result, began - work.submitted, seconds, rows)
                for work, result in zip(batch, results, strict=True)
            ],
            self._discarded,
        )


def _take(pending: deque[Work], max_rows: int) -> list[Work]:
    """Takes the next batch off `pending`: the first work that is wanted, and those after it that may join and fit.

    A work with more rows than fit is a batch of its own.
    """
    batch: list[Work] = []
    rows = 0
    passed_over: list[Work] = []
    while pending and rows < max_rows:
        work = pending.popleft()
        if not work.is_wanted:
            continue
        if not batch or (batch[0].task.may_join(work.task) and rows + work.task.num_rows <= max_rows):
            batch.append(work)
            rows += work.task.num_rows
        else:
            passed_over.append(work)
    pending.extendleft(reversed(passed_over))
    return batch


def _results(tasks: Sequence[Task]) -> list[Any]:
    """Computes tasks at once, or where that fails one by one; an exception stands where only its own task failed."""
    try:
        return tasks[0].compute(tasks[1:])
    except Exception as error:  # noqa: BLE001 - it goes to whom it concerns, and the thread lives on
        if len(tasks) == 1:
            return [error]
        log.warning("batch_failed", extra={"fields": {"works": len(tasks), "error": type(error).__name__}})
        return [result for task in tasks for result in _results([task])]


def _deliver(works: Sequence[Work], answers: Sequence[Answered | Exception], discarded: Callable[[Work], None]) -> None:
    """Hands answers and exceptions to those who wait, on their event loop; where it is closed nobody waits."""

    def deliver() -> None:
        for work, answer in zip(waiting, answers, strict=True):
            if work.is_wanted:
                if isinstance(answer, Exception):
                    work.outcome.set_exception(answer)
                else:
                    work.outcome.set_result(answer)
            elif isinstance(answer, Answered):
                discarded(work)

    waiting = tuple(works)
    if waiting:
        loop = waiting[0].outcome.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver)


def _shutting_down() -> Draining:
    return Draining("the service is shutting down")
