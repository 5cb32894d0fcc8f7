"""Steady load from a process of its own, for as long as something else goes on, and what became of each request."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from benchmarks.serving.connection import Address
from benchmarks.serving.load import OpenLoop, Sent, evenly, open_load

SeenT = TypeVar("SeenT")

_PIECE_SECONDS = 5.0
_TIMEOUT_SECONDS = 30.0


@dataclass
class Steady(Generic[SeenT]):
    """What has become of the requests so far: the latency of each, faults, and what was read of the answers."""

    num_requests: int = 0
    num_shed: int = 0  # 503 with Retry-After: the machine was too busy, and said so in time
    errors: dict[str, int] = field(default_factory=dict)  # by status or fault
    latencies: list[float] = field(default_factory=list)  # seconds of those answered with 200
    seen: list[SeenT] = field(default_factory=list)

    @property
    def num_errors(self) -> int:
        """Requests that were neither answered with 200 nor shed."""
        return sum(self.errors.values())

    def percentile_ms(self, percent: float) -> float:
        """Gives a percentile of the time to answer, in milliseconds."""
        return round(1e3 * float(np.percentile(self.latencies, percent)), 2)


@contextmanager
def steady_load(
    address: tuple[str, int], requests: Sequence[bytes], rate: float, read: Callable[[Sent], SeenT] | None = None
) -> Iterator[Steady[SeenT]]:
    """Sends `rate` requests a second until the end of the block, and then waits for those under way."""
    steady: Steady[SeenT] = Steady()
    stop = threading.Event()
    plan = OpenLoop(evenly(rate, _PIECE_SECONDS), _TIMEOUT_SECONDS, keeps_bodies=read is not None)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(int).result()  # it has imported what it needs

        def send() -> None:
            while not stop.is_set():
                for one in pool.submit(open_load, Address(*address), requests, plan).result():
                    _note(steady, one, read)

        thread = threading.Thread(target=send, name="steady load")
        thread.start()
        try:
            yield steady
        finally:
            stop.set()
            thread.join()


def _note(steady: Steady[SeenT], one: Sent, read: Callable[[Sent], SeenT] | None) -> None:
    steady.num_requests += 1
    if one.status == 503 and "retry-after" in one.headers:
        steady.num_shed += 1
        return
    if one.status != 200:
        how = str(one.status or one.fault)
        steady.errors[how] = steady.errors.get(how, 0) + 1
        return
    steady.latencies.append(one.latency_seconds)
    if read is not None:
        steady.seen.append(read(one))
