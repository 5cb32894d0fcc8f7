"""Shards in processes of this machine: in a pool of them, or all in this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import islice
from pathlib import Path

from pipelines.batch.forking import forking_context
from pipelines.batch.job import Done
from pipelines.batch.shards import ShardMaker, maker_in
from pipelines.errors import BatchError

_AHEAD = 2  # shards given out per process, so that none waits for its next one


def make_locally(folder: Path, numbers: Sequence[int], num_processes: int) -> Iterator[Done]:
    """Makes shards in processes of their own, or in this one if it is to be one; yields each as it gets done.

    The first error ends the run once the shards in hand are done. BatchError (process-ended) where a process ends
    without one.
    """
    if num_processes == 1:
        yield from map(ShardMaker(folder).make, numbers)
        return
    yield from _in_pool(folder, numbers, num_processes)


def _in_pool(folder: Path, numbers: Sequence[int], num_processes: int) -> Iterator[Done]:
    left = iter(numbers)
    with ProcessPoolExecutor(min(num_processes, len(numbers)), mp_context=forking_context()) as pool:
        running: set[Future[Done]] = set()
        try:
            while True:
                further = islice(left, _AHEAD * num_processes - len(running))
                running |= {pool.submit(_make, folder, number) for number in further}
                if not running:
                    return
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
        except BrokenProcessPool as error:
            raise BatchError(
                "a process that forecasts ended on its own (was it killed, or out of memory?): what is done is kept, "
                "the same command goes on with the rest",
                code="process-ended",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _make(folder: Path, number: int) -> Done:
    _end_with_parent()
    return maker_in(folder).make(number)


@cache
def _end_with_parent() -> None:
    """Has this process end when the one that started it is gone, however that ended, and not by its Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
