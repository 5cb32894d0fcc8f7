"""What a service of the serving install takes: seconds until it is ready, memory once it has answered.

It starts from the cache of its home; the registry that it is told of refuses connections.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import httpx
import orjson
import psutil  # type: ignore[import-untyped]

from benchmarks.reliability.serving import Serving, clean_environment, end, free_port, is_ready
from benchmarks.serving.contenders import THREADS
from benchmarks.serving.install import Install
from benchmarks.serving.model import NAME, START, Home, contexts
from service.models.models import Models
from service.models.registry import Registry
from service.settings import Settings

NUM_REQUESTS = 200

_NOBODY = "http://127.0.0.1:1"
_CLIENTS = 8
_START_SECONDS, _SETTLE_SECONDS = 120.0, 60.0
_SETTLED = '"registry_unavailable"'


@dataclass(frozen=True)
class Start:
    """From the start of the process until /readyz gave 200."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Memory:
    """Bytes of one process: all that it sees, its share of what several see, and what it alone has."""

    rss: int
    pss: int
    uss: int


@dataclass(frozen=True)
class Footprint:
    """One way to run the service; medians over starts. The memory is that of each worker, the largest first."""

    start: Start
    runtime: str
    workers: Sequence[Memory]


def fill_cache(home: Home) -> None:
    """Puts the champion of a home's registry into the cache of that home."""
    settings = Settings(home=home.folder, registry_uri=home.registry_uri)
    models = Models(settings, Registry(settings))
    models.refresh()
    assert models.is_ready, "the model of the benchmark could not be loaded"


def measure(install: Install, home: Home, runtime: str, num_workers: int, repeats: int) -> Footprint:
    """Starts the service `repeats` times, lets it settle and answer, and measures it."""
    starts, memories, name = [], [], ""
    for _ in range(repeats):
        with _started(install, home, runtime, num_workers) as (service, start):
            starts.append(start)
            _settle(service, num_workers)
            name = _answer(service, num_workers * NUM_REQUESTS)
            memories.append(_memory(service))
    middle = sorted(memories, key=lambda found: found[0].rss)[len(memories) // 2]
    seconds, cpu = median(one.seconds for one in starts), median(one.cpu_seconds for one in starts)
    return Footprint(Start(seconds, cpu), name, middle)


@contextmanager
def _started(install: Install, home: Home, runtime: str, num_workers: int) -> Iterator[tuple[Serving, Start]]:
    port = free_port()
    log = home.folder / f"service-{port}.log"
    environment = clean_environment(
        **THREADS,
        FORECASTER_HOME=str(home.folder),
        FORECASTER_REGISTRY_URI=_NOBODY,
        FORECASTER_RUNTIME=runtime,
        FORECASTER_WORKERS=str(num_workers),
        FORECASTER_AUTHENTICATION="false",
        FORECASTER_PORT=str(port),
    )
    environment.pop("PYTHONPATH", None)
    begin = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(install.command), "serve"],
            cwd=home.folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = Serving(f"http://127.0.0.1:{port}", process, log, home.folder)
    try:
        while not is_ready(service.url):
            assert process.poll() is None and time.monotonic() < begin + _START_SECONDS, log.read_text()[-4000:]
            time.sleep(0.02)
        yield service, Start(time.monotonic() - begin, _cpu_seconds(service))
    finally:
        end(process)


def _cpu_seconds(service: Serving) -> float:
    """Gives the processor time of the service so far, its workers included."""
    processes = {service.pid, *service.worker_pids()}
    return float(sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in processes))


def _settle(service: Serving, num_workers: int) -> None:
    """Waits until every worker has loaded what there is and asked for the registry, for which it imports MLflow."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while service.log.read_text().count(_SETTLED) < num_workers:
        assert time.monotonic() < deadline, f"the service does not settle:\n{service.log.read_text()[-4000:]}"
        time.sleep(0.1)
    time.sleep(0.5)  # what it gives back to the system then


def _answer(service: Serving, num_requests: int) -> str:
    """Lets it answer requests for one series each; gives what executes the model."""
    bodies = [
        orjson.dumps({"model": NAME, "series": [{"id": "a", "start": START, "target": context.tolist()}]})
        for context in contexts(_CLIENTS)
    ]
    headers = {"content-type": "application/json", "connection": "close"}  # so that every worker gets some

    def ask(number: int) -> int:
        body = bodies[number % len(bodies)]
        return httpx.post(f"{service.url}/v1/forecast", content=body, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(_CLIENTS) as clients:
        statuses = list(clients.map(ask, range(num_requests)))
    assert statuses == [200] * num_requests, f"statuses {sorted(set(statuses))}"
    described = httpx.get(f"{service.url}/v1/model", timeout=30).raise_for_status().json()
    return str(described["runtime"]["name"])


def _memory(service: Serving) -> list[Memory]:
    found = [psutil.Process(pid).memory_full_info() for pid in service.worker_pids()]
    return sorted((Memory(one.rss, one.pss, one.uss) for one in found), key=lambda one: one.rss, reverse=True)
