"""SIGKILL at random moments: is a forecast lost whose id was given out, or a value that was taken in?

Clients ask for forecasts and report values without a pause, and note what they were told. At random moments a worker,
the keeper of the ledger or all processes are killed. In the end all that clients were told of must be in the ledger:
each forecast byte for byte, each value once. The control writes its journal a little later than it answers.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]
import sqlalchemy as sa

from benchmarks.reliability.clients import beside
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import MODEL, Serving, forecast_body, home_with_model, is_ready, serving
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import actuals
from service.ledger.journal import segments
from service.ledger.orders import JOURNAL, LEDGER

CONTROL = (sys.executable, "-m", "benchmarks.reliability.careless", "forgetful")
WORKER, KEEPER, ALL = "worker", "keeper", "all"

_NUM_WORKERS, _NUM_CLIENTS = 2, 3
_BACK_SECONDS, _MOVED_SECONDS = 60.0, 120.0


@dataclass
class Told:
    """What clients were told."""

    replies: dict[str, bytes] = field(default_factory=dict)  # by the id of the forecast
    values: dict[tuple[str, int], float] = field(default_factory=dict)  # by series, and microseconds
    failures: Counter[str] = field(default_factory=Counter)


def clients(url: str, told: Told) -> AbstractContextManager[None]:
    """Runs clients until the end of the block."""
    return beside([partial(_ask, url, number, told) for number in range(_NUM_CLIENTS)])


def _ask(url: str, number: int, told: Told, ended: threading.Event) -> None:
    """Forecasts a series of its own, and reports values of it, one hour after the other."""
    name, hour = f"client {number} of {time.time_ns()}", 0
    with httpx.Client(base_url=url, timeout=10) as client:
        while not ended.is_set():
            try:
                _forecast(client, name, told)
                _report(client, name, hour, told)
                hour += 1
            except httpx.TransportError as error:
                told.failures[type(error).__name__] += 1
                ended.wait(0.02)


def _forecast(client: httpx.Client, name: str, told: Told) -> None:
    reply = client.post("/v1/forecast", json=forecast_body(identity=name))
    if reply.status_code == 200:
        told.replies[reply.json()["id"]] = reply.content
    else:
        told.failures[str(reply.status_code)] += 1


def _report(client: httpx.Client, name: str, hour: int, told: Told) -> None:
    time_of_hour, value = _hour(hour), float(hour)
    series = [{"id": name, "timestamps": [str(time_of_hour)], "target": [value]}]
    reply = client.post("/v1/actuals", json={"model": MODEL, "frequency": "h", "series": series})
    if reply.status_code == 200:
        told.values[name, int(time_of_hour.astype("int64"))] = value
    else:
        told.failures[str(reply.status_code)] += 1


def _hour(number: int) -> np.datetime64:
    return np.datetime64("2024-01-03T12:00:00", "us") + np.timedelta64(number, "h")


def kill(service: Serving, what: str, draw: random.Random) -> None:
    """Kills a worker, the keeper if there is one, or everything; waits until the workers are back."""
    if what == ALL:
        os.killpg(service.pid, signal.SIGKILL)
        return
    workers = service.worker_pids()
    victims = workers if what == WORKER else _keepers(workers)
    with suppress(ProcessLookupError):
        if victims:
            os.kill(draw.choice(victims), signal.SIGKILL)
    deadline = time.monotonic() + _BACK_SECONDS
    while not (len(service.worker_pids()) == len(workers) and is_ready(service.url)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _keepers(workers: list[int]) -> list[int]:
    found = []
    for pid in workers:
        with suppress(psutil.NoSuchProcess):
            found += [child.pid for child in psutil.Process(pid).children()]
    return found


def killed(home: Path, num_kills: int, seed: int, *command: str) -> tuple[Told, Counter[str]]:
    """Serves, and kills so many times; gives what clients were told, and what was killed."""
    draw, told, done = random.Random(seed), Told(), Counter[str]()  # noqa: S311 - moments, no secrets
    flags = () if command else ("--workers", str(_NUM_WORKERS))
    while sum(done.values()) < num_kills:
        with serving(home, *flags, command=command) as service, clients(service.url, told):
            what = ""
            while what != ALL and sum(done.values()) < num_kills:
                time.sleep(draw.uniform(0.05, 1.5))
                what = ALL if command else draw.choices((WORKER, KEEPER, ALL), (6, 3, 1))[0]
                kill(service, what, draw)
                done[what] += 1
    with serving(home):  # moves what is left
        deadline = time.monotonic() + _MOVED_SECONDS
        while segments(home / LEDGER / JOURNAL) and time.monotonic() < deadline:
            time.sleep(0.1)
    return told, done


def lost(home: Path, told: Told) -> dict[str, int]:
    """Counts what clients were told and the ledger does not have, or has otherwise."""
    ledger = Ledger(f"sqlite:///{home / LEDGER / 'ledger.db'}")
    try:
        kept = {one: ledger.forecast(one) for one in told.replies}
        with ledger.engine.connect() as connection:
            values = {(row.series_id, row.time): row.value for row in connection.execute(sa.select(actuals))}
    finally:
        ledger.close()
    return {
        "forecasts_told": len(told.replies),
        "forecasts_lost": sum(one is None for one in kept.values()),
        "forecasts_changed": sum(one is not None and one.reply != told.replies[name] for name, one in kept.items()),
        "values_told": len(told.values),
        "values_lost": sum(values.get(key) != value for key, value in told.values.items()),
    }


def measure(num_kills: int, num_control: int) -> dict[str, Any]:
    """Kills the service, and the control."""
    with home_with_model() as home:
        told, done = killed(home, num_kills, seed=0)
        found = {"kills": dict(done), **lost(home, told), "failures": dict(told.failures)}
    with home_with_model() as home:
        control, _ = killed(home, num_control, 0, *CONTROL)
        return {**found, "control": lost(home, control)}


def main() -> None:
    """Prints the record; --short kills 5 times instead of 50."""
    run_command("ledger_kills", __doc__, lambda short: measure(5, 1) if short else measure(50, 3))


if __name__ == "__main__":
    main()
