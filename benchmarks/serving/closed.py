"""Closed-loop load: so many connections, each of which asks again as soon as it is answered.

wrk does it where it is installed, with one thread and a script that goes through prepared bodies; else a client on
asyncio, which takes several times the processor. wrk's percentiles are those it corrects itself: a reply that took
longer than the mean stands for the requests that would have been sent meanwhile. That adds to the slow ones alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httptools
import numpy as np

from benchmarks.serving.connection import Address, Connection, http_request

_SCRIPT = Path(__file__).with_name("bodies.lua")
_EXTRA_SECONDS = 60


@dataclass(frozen=True)
class ClosedLoad:
    """What a closed loop found. Errors are replies other than 2xx and 3xx, broken connections and timeouts."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int
    client_cpu_seconds: float

    @property
    def requests_per_second(self) -> float:
        """Replies over time."""
        return self.requests / self.seconds


def client_name() -> str:
    """Says which client sends the load."""
    return "asyncio" if shutil.which("wrk") is None else _wrk_version()


def closed_load(address: Address, path: str, bodies: Sequence[bytes], concurrency: int, seconds: float) -> ClosedLoad:
    """Posts the bodies in turn over `concurrency` connections for so long."""
    if shutil.which("wrk") is None:
        return asyncio_load(address, path, bodies, concurrency, seconds)
    return wrk_load(address, path, bodies, concurrency, seconds)


def wrk_load(address: Address, path: str, bodies: Sequence[bytes], concurrency: int, seconds: float) -> ClosedLoad:
    """Is `closed_load` by wrk, which takes whole seconds."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"\n".join(bodies) + b"\n")
        file.flush()
        whole = max(1, round(seconds))
        options = ["--threads", "1", "--connections", str(concurrency), "--duration", f"{whole}s", "--timeout", "30s"]
        command = ["wrk", *options, "--script", str(_SCRIPT), f"{address.url}{path}", "--", file.name]
        before = _cpu_seconds(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=whole + _EXTRA_SECONDS)
        used = _cpu_seconds(resource.RUSAGE_CHILDREN) - before
    found = json.loads(done.stdout.splitlines()[-1])
    return ClosedLoad(
        found["requests"], found["seconds"], found["p50_ms"], found["p99_ms"], found["errors"], round(used, 3)
    )


def asyncio_load(address: Address, path: str, bodies: Sequence[bytes], concurrency: int, seconds: float) -> ClosedLoad:
    """Is `closed_load` by a client in this process."""
    before, start = _cpu_seconds(resource.RUSAGE_SELF), time.monotonic()
    requests = [http_request(address, path, body) for body in bodies]
    replies = asyncio.run(_ask(address, requests, concurrency, start + seconds))
    took, used = time.monotonic() - start, _cpu_seconds(resource.RUSAGE_SELF) - before
    latencies = [1000 * latency for latency, is_right in replies if is_right]
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (np.nan, np.nan)
    return ClosedLoad(len(latencies), took, float(p50), float(p99), len(replies) - len(latencies), round(used, 3))


async def _ask(address: Address, requests: Sequence[bytes], concurrency: int, end: float) -> list[tuple[float, bool]]:
    """Gives the seconds of each exchange, and whether it was answered with 200."""
    found: list[tuple[float, bool]] = []

    async def ask_again(number: int) -> None:
        connection = await Connection.open(address)
        while time.monotonic() < end:
            asked, is_right = time.monotonic(), False
            try:
                connection = connection if connection.is_open else await Connection.open(address)
                is_right = (await connection.exchange(requests[number % len(requests)])).status == 200
            except (OSError, httptools.HttpParserError):
                await asyncio.sleep(0.01)
            found.append((time.monotonic() - asked, is_right))
            number += concurrency
        connection.close()

    async with asyncio.TaskGroup() as group:
        for number in range(concurrency):
            group.create_task(ask_again(number))
    return found


def _cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _wrk_version() -> str:
    shown = subprocess.run(["wrk", "--version"], check=False, capture_output=True, text=True, timeout=10)
    found = re.search(r"wrk \S+", shown.stdout + shown.stderr)
    return found.group() if found else "wrk"
