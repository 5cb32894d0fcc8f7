"""Open-loop load: requests leave on a schedule, whether or not the earlier ones are answered.

    due        |    |    |    |    |    |        the schedule, in seconds after the start
    started     |    |    |    |    |    |       when the request was written
    ended          |      |     |                when its reply was whole, or its fault known

A closed loop waits for each reply before it asks again, so a server that stalls is asked less, and its stall hardly
shows. Here latency counts from when a request was due. Times are those of `time.monotonic`, so that they can be
compared with those of whatever else a harness does.

    sent = open_load(address, [http_request(address, "/v1/forecast", body)], OpenLoop(evenly(500, seconds=10)))

All is bounded: the schedule is finite, a request has `timeout_seconds`, and no more than `max_open` are under way;
one that would be beyond them is not sent and recorded as held back.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httptools
import numpy as np

from benchmarks.serving.connection import Address, Connection, HalfReply, Reply
from forecaster.arrays import FloatArray

Fault = Literal["refused", "reset", "half", "malformed", "timeout", "held_back"]


@dataclass(frozen=True)
class OpenLoop:
    """When requests leave, and what is kept of their replies."""

    due: FloatArray  # [N] seconds after the start, ascending
    timeout_seconds: float = 30.0
    max_open: int = 512
    kept_headers: tuple[str, ...] = ("retry-after", "x-request-id")
    keeps_bodies: bool = False


@dataclass(frozen=True)
class Sent:
    """What became of one request: a status, or a fault where there is none."""

    number: int  # place in the schedule
    due: float
    started: float
    ended: float
    status: int | None = None
    fault: Fault | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # those of `kept_headers` that the reply has
    body: bytes | None = None
    is_reused: bool = False  # True where the connection had carried a request before

    @property
    def latency_seconds(self) -> float:
        """From when it was due."""
        return self.ended - self.due

    @property
    def delay_seconds(self) -> float:
        """How late the generator was itself."""
        return self.started - self.due


@dataclass(frozen=True)
class Tally:
    """How many requests ended in which way, and the latency of those answered with 200 (NaN without any)."""

    statuses: Mapping[int, int]
    faults: Mapping[Fault, int]
    p50_ms: float
    p99_ms: float


def evenly(rate: float, seconds: float) -> FloatArray:
    """Gives the times of `rate` requests a second, evenly spaced."""
    return np.arange(int(rate * seconds)) / rate


def at_random(rate: float, seconds: float, generator: np.random.Generator) -> FloatArray:
    """Gives the times of a Poisson process: as many clients send, who do not know of each other."""
    gaps = generator.exponential(1 / rate, int(2 * rate * seconds) + 100)
    due = gaps.cumsum()
    return due[due < seconds]


def tally(sent: Sequence[Sent]) -> Tally:
    """Counts how requests ended."""
    latencies = [1000 * one.latency_seconds for one in sent if one.status == 200]
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (np.nan, np.nan)
    statuses = Counter(one.status for one in sent if one.status is not None)
    return Tally(statuses, Counter(one.fault for one in sent if one.fault is not None), float(p50), float(p99))


def open_load(address: Address, requests: Sequence[bytes], plan: OpenLoop) -> list[Sent]:
    """Sends raw requests by the plan, in turn and from the first again; gives a record of each, in order."""
    return asyncio.run(send_open_loop(address, requests, plan))


async def send_open_loop(address: Address, requests: Sequence[bytes], plan: OpenLoop) -> list[Sent]:
    """Is `open_load` within a running loop. Where it is cancelled its connections are closed."""
    pool = _Pool(address, plan)
    start = time.monotonic()
    tasks: list[asyncio.Task[Sent]] = []
    try:
        async with asyncio.TaskGroup() as group:
            for number, offset in enumerate(plan.due.tolist()):
                await asyncio.sleep(max(0.0, start + offset - time.monotonic()))
                request = requests[number % len(requests)]
                tasks.append(group.create_task(pool.send(number, start + offset, request)))
        return [task.result() for task in tasks]
    finally:
        pool.close()


class _Pool:
    """The connections of one load: a free one is used again, the latest first, else another is opened."""

    def __init__(self, address: Address, plan: OpenLoop) -> None:
        self._address, self._plan = address, plan
        self._free: list[Connection] = []
        self._num_open = 0

    async def send(self, number: int, due: float, request: bytes) -> Sent:
        """Sends one request; what goes wrong is recorded, not raised."""
        started = time.monotonic()
        if self._num_open >= self._plan.max_open:
            return Sent(number, due, started, started, fault="held_back")
        self._num_open += 1
        connection = self._take_free()
        is_reused = connection is not None
        try:
            async with asyncio.timeout(self._plan.timeout_seconds):
                connection = connection or await Connection.open(self._address)
                reply = await connection.exchange(request)
        except (OSError, httptools.HttpParserError) as error:
            fault = "refused" if connection is None and not isinstance(error, TimeoutError) else _fault(error)
            return Sent(number, due, started, time.monotonic(), fault=fault, is_reused=is_reused)
        finally:
            self._num_open -= 1
        ended = time.monotonic()
        self._free.append(connection)
        return self._record(Sent(number, due, started, ended, reply.status, is_reused=is_reused), reply)

    def close(self) -> None:
        """Closes what is free; what is under way has ended or closes itself."""
        for connection in self._free:
            connection.close()

    def _record(self, sent: Sent, reply: Reply) -> Sent:
        headers = {name: reply.headers[name] for name in self._plan.kept_headers if name in reply.headers}
        body = reply.body if self._plan.keeps_bodies else None
        return Sent(sent.number, sent.due, sent.started, sent.ended, sent.status, None, headers, body, sent.is_reused)

    def _take_free(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                return connection
        return None


def _fault(error: Exception) -> Fault:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, HalfReply):
        return "half"
    return "malformed" if isinstance(error, httptools.HttpParserError) else "reset"
