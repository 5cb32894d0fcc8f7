"""What keeping every forecast costs: the service with a ledger beside the same service without one.

    python -m benchmarks.ledger_cost [--save] [--repeats 6] [--seconds 6]

wrk asks in a closed loop over 32 connections, as in `benchmarks.serve_speed`, with the same model, which ONNX Runtime
executes: left to choose, the two services might differ in that. They take turns, which begins changes with every round,
and each figure is the median over rounds. The keeper, which moves forecasts to the database, runs meanwhile and is paid
for in both figures of throughput.

    throughput_ratio_32     requests a second with the ledger over those without
    extra_cpu_ms            processor time of the service for one request, with less without; the keeper's is not in it
    bytes_per_forecast      of the database, once all is there
    num_kept_share          forecasts that were kept; less than 1 where the journal was full
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa

from benchmarks.record import machine_setup, record
from benchmarks.serving.closed import client_name, closed_load
from benchmarks.serving.contenders import OURS, THREADS, served
from benchmarks.serving.model import Home, contexts, register_model
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import forecasts
from service.ledger.journal import segments
from service.ledger.orders import JOURNAL, LEDGER

_CONCURRENCY = 32
_WARM_UP_SECONDS, _MOVED_SECONDS = 2.0, 180.0


def main() -> None:
    """Runs the rounds and prints the record."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=6)
    arguments.add_argument("--seconds", type=float, default=6.0)
    arguments.add_argument("--save", action="store_true", help="write docs/results/ledger_cost.json")
    given = arguments.parse_args()
    speeds: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="ledger-cost-") as name:
        home = register_model(Path(name))
        kept: list[tuple[float, float]] = []
        for number in range(given.repeats):
            for keeps in (number % 2 == 0, number % 2 == 1):
                speeds[keeps].append(_speed(home, Path(name), given.seconds, keeps=keeps, kept=kept))
                print("with" if keeps else "without", speeds[keeps][-1], flush=True)
    (without, cpu_without), (with_it, cpu_with) = (np.median(speeds[keeps], axis=0) for keeps in (False, True))
    bytes_each, share = np.median(kept, axis=0)
    figures = {
        "throughput_ratio_32": round(float(with_it / without), 4),
        "extra_cpu_ms": round(float(cpu_with - cpu_without), 4),
        "requests_per_second_without": round(float(without), 1),
        "bytes_per_forecast": round(float(bytes_each)),
        "num_kept_share": round(float(share), 4),
    }
    setup = machine_setup(["uvicorn", "orjson", "sqlalchemy"]) | {"client": client_name(), "threads": THREADS}
    rounds = {"with" if keeps else "without": found for keeps, found in speeds.items()}
    record("ledger_cost", figures, setup | {"rounds": rounds}, save=given.save)


def _speed(
    home: Home, folder: Path, seconds: float, *, keeps: bool, kept: list[tuple[float, float]]
) -> tuple[float, float]:
    """Gives requests a second, and the processor time of one in milliseconds; notes what is kept of them."""
    bodies = [OURS.body(context) for context in contexts()]
    settings = {"FORECASTER_LEDGER_SHARE": "1" if keeps else "0", "FORECASTER_RUNTIME": "onnx"}
    with served(OURS, home, folder, **settings) as server:
        closed_load(server.address, OURS.path, bodies, _CONCURRENCY, _WARM_UP_SECONDS)
        before = server.cpu_seconds()
        load = closed_load(server.address, OURS.path, bodies, _CONCURRENCY, seconds)
        used = server.cpu_seconds() - before
        assert load.errors == 0 and load.requests
        if keeps:
            kept.append(_kept(home.folder / LEDGER, server.address.url))
    shutil.rmtree(home.folder / LEDGER, ignore_errors=True)
    return load.requests_per_second, 1000 * used / load.requests


def _kept(ledger: Path, url: str) -> tuple[float, float]:
    """Gives the bytes of a forecast in the database, and the share of all answered ones that are there."""
    counts = httpx.get(f"{url}/metrics").text
    num_answered = sum(
        float(line.split()[-1]) for line in counts.splitlines() if line.startswith("forecaster_series_total")
    )
    database = Ledger(f"sqlite:///{ledger / 'ledger.db'}")
    try:
        num, deadline = -1, time.monotonic() + _MOVED_SECONDS
        while time.monotonic() < deadline:
            time.sleep(1.0)  # the keeper takes its turns several times a second
            with database.engine.connect() as connection:
                before, num = num, connection.execute(sa.select(sa.func.count()).select_from(forecasts)).scalar_one()
            if num == before and len(segments(ledger / JOURNAL)) <= 1:  # the one that is being written
                break
        else:
            raise AssertionError("the keeper has not moved all that there was")
    finally:
        database.close()
    return (ledger / "ledger.db").stat().st_size / num, num / num_answered


if __name__ == "__main__":
    main()
