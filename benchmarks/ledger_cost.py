"""What keeping every forecast costs: the service with a ledger beside the same service without one.

    python -m benchmarks.ledger_cost [--save] [--pairs 40] [--seconds 2]

wrk asks in a closed loop over 32 connections, as in `benchmarks.serve_speed`, with the same model, which ONNX Runtime
executes: left to choose, the two services might differ in that. Both run all the time and are asked in turn for a few
seconds each, which begins changes with every pair: a machine whose speed drifts is as fast for both halves of a pair.
The figures are medians over pairs. The keeper, which moves forecasts to the database, runs while its service is asked,
and the next turn waits until it has moved all. On two cores the client and two threads of the service leave none to
the keeper; so the pairs are asked once more with the services on one core, and the client and the keeper on another.

    throughput_ratio_32     requests a second with the ledger over those without
    throughput_ratio_apart  the same with a core for the service alone
    extra_cpu_ms            processor time of the service for one request, with less without; the keeper's is not in it
    bytes_per_forecast      of the database, once all is there
    num_kept_share          forecasts that were kept; less than 1 where the journal was full

In the setup `ratio_interval` and `ratio_interval_apart` hold the median of the ratios in 95 % of samples of pairs drawn
with replacement.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]
import sqlalchemy as sa

from benchmarks.record import machine_setup, record
from benchmarks.serving.closed import client_name, closed_load
from benchmarks.serving.contenders import OURS, THREADS, Server, served
from benchmarks.serving.model import contexts, register_model
from forecaster.arrays import FloatArray
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import forecasts
from service.ledger.journal import segments
from service.ledger.orders import JOURNAL, LEDGER

_CONCURRENCY = 32
_WARM_UP_SECONDS, _MOVED_SECONDS = 3.0, 180.0
_NUM_DRAWS = 10_000


def main() -> None:
    """Runs the pairs and prints the record."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=40)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--save", action="store_true", help="write docs/results/ledger_cost.json")
    given = arguments.parse_args()
    setup = machine_setup(["uvicorn", "orjson", "sqlalchemy"]) | {"client": client_name(), "threads": THREADS}
    setup |= {"pairs": given.pairs, "seconds": given.seconds}
    with tempfile.TemporaryDirectory(prefix="ledger-cost-") as name:
        home = register_model(Path(name))
        ledger = home.folder / LEDGER
        beside = replace(home, folder=shutil.copytree(home.folder, Path(name) / "beside"))
        with (
            served(OURS, home, Path(name), **_settings(keeps=True)) as keeping,
            served(OURS, beside, Path(name), **_settings(keeps=False)) as bare,
        ):
            speed, cpu, speed_without, cpu_without = _pairs(keeping, bare, ledger, given).T
            _keep_apart((keeping, bare))
            speed_apart, _, speed_apart_without, _ = _pairs(keeping, bare, ledger, given).T
            bytes_each, share = _kept(ledger, keeping.address.url)
    ratios, ratios_apart = speed / speed_without, speed_apart / speed_apart_without
    figures = {
        "throughput_ratio_32": round(float(np.median(ratios)), 4),
        "throughput_ratio_apart": round(float(np.median(ratios_apart)), 4),
        "extra_cpu_ms": round(float(np.median(cpu - cpu_without)), 4),
        "requests_per_second_without": round(float(np.median(speed_without)), 1),
        "requests_per_second_apart_without": round(float(np.median(speed_apart_without)), 1),
        "bytes_per_forecast": round(bytes_each),
        "num_kept_share": round(share, 4),
    }
    for name, found in (("", ratios), ("_apart", ratios_apart)):
        setup[f"ratio_interval{name}"] = _interval(found)
        setup[f"ratios{name}"] = [round(float(one), 4) for one in found]
    record("ledger_cost", figures, setup, save=given.save)


def _pairs(keeping: Server, bare: Server, ledger: Path, given: argparse.Namespace) -> FloatArray:
    """Asks both in turns: gives a row [4] for each pair, speed and processor time with the ledger and without."""
    for server in (keeping, bare):
        _asked(server, _WARM_UP_SECONDS)
    _kept(ledger, keeping.address.url)
    pairs = []
    for number in range(given.pairs):
        turns = {}
        for server in (keeping, bare) if number % 2 else (bare, keeping):
            turns[server is keeping] = _asked(server, given.seconds)
            if server is keeping:
                _kept(ledger, keeping.address.url)
        pairs.append((*turns[True], *turns[False]))
        print(*(f"{value:.2f}" for value in pairs[-1]), flush=True)
    return np.array(pairs)


def _keep_apart(servers: Sequence[Server]) -> None:
    """Gives the services the first core of this machine, and all that they have started, and the client, the second."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {second})  # wrk is started with what this process has
    for server in servers:
        service = psutil.Process(server.group)
        for process in (service, *service.children(recursive=True)):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {first if process == service else second})


def _settings(*, keeps: bool) -> dict[str, str]:
    return {"FORECASTER_LEDGER_SHARE": "1" if keeps else "0", "FORECASTER_RUNTIME": "onnx"}


def _asked(server: Server, seconds: float) -> tuple[float, float]:
    """Gives requests a second, and the processor time of one in milliseconds."""
    bodies = [OURS.body(context) for context in contexts()]
    before = server.cpu_seconds()
    load = closed_load(server.address, OURS.path, bodies, _CONCURRENCY, seconds)
    used = server.cpu_seconds() - before
    assert load.errors == 0 and load.requests
    return load.requests_per_second, 1000 * used / load.requests


def _interval(ratios: FloatArray) -> list[float]:
    """Gives the bootstrap interval of the median."""
    drawn = np.random.default_rng(0).choice(ratios, (_NUM_DRAWS, len(ratios)))
    return [round(float(edge), 4) for edge in np.quantile(np.median(drawn, axis=1), [0.025, 0.975])]


def _kept(ledger: Path, url: str) -> tuple[float, float]:
    """Gives the bytes of a forecast in the database, and the share of all answered ones that are there."""
    database = Ledger(f"sqlite:///{ledger / 'ledger.db'}")
    try:
        num, deadline = -1, time.monotonic() + _MOVED_SECONDS
        while time.monotonic() < deadline:
            time.sleep(1.0)  # the keeper takes its turns twice a second
            with database.engine.connect() as connection:
                before, num = num, connection.execute(sa.select(sa.func.count()).select_from(forecasts)).scalar_one()
            if num == before and len(segments(ledger / JOURNAL)) <= 1:  # the one that is being written
                break
        else:
            raise AssertionError("the keeper has not moved all that there was")
    finally:
        database.close()
    counts = httpx.get(f"{url}/metrics").text
    num_answered = sum(
        float(line.split()[-1]) for line in counts.splitlines() if line.startswith("forecaster_series_total")
    )
    return (ledger / "ledger.db").stat().st_size / num, num / num_answered


if __name__ == "__main__":
    main()
