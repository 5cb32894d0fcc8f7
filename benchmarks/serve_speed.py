"""Speed of the service beside `mlflow models serve`, LitServe and the bare forward, with the same random model.

    python -m benchmarks.serve_speed [--save] [--repeats 3] [--seconds 6] [--variants]

Each server runs alone, in processes of its own, with the same setting of threads; wrk asks it in a closed loop for
forecasts of 64 series in turn, a series of 512 values in each request, for 96 steps at 9 levels, over 1, 8, 32 and 64
connections. Rounds are interleaved, each figure is made of medians over them, and a run fails on any reply that is
not right: all servers must give the forward's numbers, to 1e-4 of the series' spread. Client and server share the
machine; setup holds the processor time of both. Forecasts are not kept in a ledger, which no peer has: what that costs
is told by `python -m benchmarks.ledger_cost`.

    ratio_mlflow_32         requests a second at 32 connections, ours over MLflow's; so for LitServe
    p99_over_mlflow_32      99th percentile of the latency at 32 connections, ours over MLflow's
    p50_over_forward_ms_1   median latency at 1 connection less the median time of the bare forward of one window
    fraction_of_forward_64  requests a second at 64 connections over the windows a second of the forward at batch 64
    framework_cpu_ms        processor time of the service for one request without its model, at 8 connections
    floor_cpu_ms            the same of a bare ASGI application that parses the request and encodes a prepared answer

The bare forward is `Predictor.quantiles` in an idle process, with the threads of the service and the runtime that it
says it has. That is ONNX Runtime where it is faster; the peers execute the network by eager PyTorch, as their users
would. setup holds the forward at other threads and runtimes too, which tells how much of the lead is the runtime's.
`--variants` measures other settings of the peers.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.processes import in_process
from benchmarks.record import machine_setup, record
from benchmarks.serving.closed import ClosedLoad, client_name, closed_load
from benchmarks.serving.contenders import (
    FLOOR,
    NULL_MODEL,
    OURS,
    THREADS,
    VARIANTS,
    Contender,
    Server,
    runtime_of,
    served,
)
from benchmarks.serving.forward import BATCH_SIZES, load_predictor, runtime_names
from benchmarks.serving.model import MODEL, Home, contexts, register_model
from benchmarks.serving.null_model import prepared
from forecaster.arrays import FloatArray

CONCURRENCIES = (1, 8, 32, 64)
TOLERANCE = 1e-4  # of the spread of a series, between servers
MLFLOW, LITSERVE = VARIANTS["mlflow"][0], VARIANTS["litserve"][0]

_WARM_UP_SHARE = 0.25  # of the seconds that are measured
_ANSWERS_PER_CONNECTION = 10
_LONGEST = 5  # times the seconds asked for
_NUM_CHECKED = 4
_FRAMEWORK_CONCURRENCY = 8
_VARIANTS_CONCURRENCY = 32


@dataclass(frozen=True)
class Speed:
    """What one server did at one concurrency; medians where several rounds are summed up."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float  # for each request
    client_cpu_seconds: float
    load_average: float


Round = Mapping[str, Mapping[int, Speed]]  # by server and concurrency


def main() -> None:
    """Runs the rounds and prints the record."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that servers end with it
    with tempfile.TemporaryDirectory(prefix="serve-speed-") as name:
        folder = Path(name)
        bench = Bench(register_model(folder), folder, given.seconds)
        variants = bench.variants() if given.variants else {}
        rounds: list[Round] = []
        forwards: list[dict[int, float]] = []
        for _ in range(given.repeats):
            rounds.append(bench.round())
            forwards.append(bench.forward(bench.runtime, 1))
        others = bench.other_forwards()
    speeds, forward = median_speeds(rounds), {size: _median(one[size] for one in forwards) for size in BATCH_SIZES}
    setup = machine_setup(["mlflow", "litserve", "uvicorn", "orjson"]) | {
        "client": client_name(),
        "threads": THREADS,
        "commands": {one.name: one.shown_command() for one in (OURS, MLFLOW, LITSERVE, NULL_MODEL, FLOOR)},
        "runtime": bench.runtime,
        "repeats": given.repeats,
        "seconds": given.seconds,
        "model": MODEL.model_dump(include={"context_length", "horizon", "d_model", "num_layers", "d_ff", "levels"}),
        "median": _shown(speeds),
        "rounds": [_shown(one) for one in rounds],
        "forward_seconds": [{str(size): seconds for size, seconds in one.items()} for one in forwards],
        "forward_windows_per_second": {"service": windows_per_second(forward), **others},
        "variants": _shown(variants),
    }
    record("serve_speed", figures(speeds, forward), setup, save=given.save)


def figures(speeds: Round, forward: Mapping[int, float]) -> dict[str, float]:
    """Gives the figures, from medians by server and the seconds of a forward by batch size."""
    ours, mlflow, litserve = speeds[OURS.name], speeds[MLFLOW.name], speeds[LITSERVE.name]
    found = {
        "ratio_mlflow_32": ours[32].requests_per_second / mlflow[32].requests_per_second,
        "ratio_litserve_32": ours[32].requests_per_second / litserve[32].requests_per_second,
        "p99_over_mlflow_32": ours[32].p99_ms / mlflow[32].p99_ms,
        "p50_over_forward_ms_1": ours[1].p50_ms - 1000 * forward[1],
        "fraction_of_forward_64": ours[64].requests_per_second / (64 / forward[64]),
        "framework_cpu_ms": speeds[NULL_MODEL.name][_FRAMEWORK_CONCURRENCY].server_cpu_ms,
        "floor_cpu_ms": speeds[FLOOR.name][_FRAMEWORK_CONCURRENCY].server_cpu_ms,
        "requests_per_second_32": ours[32].requests_per_second,
        "p99_ms_32": ours[32].p99_ms,
    }
    return {name: round(value, 4) for name, value in found.items()}


def median_speeds(rounds: Sequence[Round]) -> Round:
    """Gives the median over rounds of every number."""
    return {
        server: {concurrency: _median_speed([one[server][concurrency] for one in rounds]) for concurrency in speeds}
        for server, speeds in rounds[0].items()
    }


def long_enough(seconds: float, concurrency: int, requests_per_second: float) -> float:
    """Gives the seconds to measure for: more than asked for where each connection would be answered a few times only.

    What is under way at the end is not counted, and these are the slowest.
    """
    wanted = _ANSWERS_PER_CONNECTION * concurrency / max(requests_per_second, 1.0)
    return min(max(seconds, wanted), _LONGEST * seconds)


def windows_per_second(forward: Mapping[int, float]) -> dict[str, float]:
    """Gives windows a second by batch size, from the seconds of one forward."""
    return {str(size): round(size / seconds, 1) for size, seconds in forward.items()}


class Bench:
    """A registered model, and the series that servers are asked for."""

    def __init__(self, home: Home, folder: Path, seconds: float) -> None:
        self._home, self._folder, self._seconds = home, folder, seconds
        self._contexts = contexts()
        self._expected = _eager(home, self._contexts[:_NUM_CHECKED])
        with served(OURS, home, folder) as server:
            self.runtime = runtime_of(server)

    def round(self) -> Round:
        """Measures every server once, one after the other."""
        everywhere = {one.name: self.speeds(one, CONCURRENCIES) for one in (OURS, MLFLOW, LITSERVE)}
        nothing = np.broadcast_to(prepared(), self._expected.shape)
        without = {one.name: self.speeds(one, [_FRAMEWORK_CONCURRENCY], nothing) for one in (NULL_MODEL, FLOOR)}
        return everywhere | without

    def variants(self) -> Round:
        """Measures the peers in all their settings, at one concurrency."""
        every = [one for variants in VARIANTS.values() for one in variants]
        return {one.name: self.speeds(one, [_VARIANTS_CONCURRENCY]) for one in every}

    def speeds(
        self, contender: Contender, concurrencies: Iterable[int], expected: FloatArray | None = None
    ) -> dict[int, Speed]:
        """Starts a server, asserts that it gives what is expected (default: the forecasts), and measures it."""
        with served(contender, self._home, self._folder) as server:
            self._check(server, self._expected if expected is None else expected)
            return {concurrency: self._speed(server, concurrency) for concurrency in concurrencies}

    def forward(self, runtime: str, num_threads: int) -> dict[int, float]:
        """Gives the seconds of one bare forward by batch size."""
        options = ["--bundle", str(self._home.bundle), "--threads", str(num_threads), "--runtime", runtime]
        options += ["--seconds", str(self._seconds / 4)]
        found = in_process("benchmarks.serving.forward", options, num_threads)
        print("forward", runtime, num_threads, found, flush=True)
        return {int(size): seconds for size, seconds in found.items()}

    def other_forwards(self) -> dict[str, dict[str, float]]:
        """Gives windows a second with 1 and 2 threads, in every runtime."""
        cases = [(runtime, num_threads) for runtime in runtime_names() for num_threads in (1, 2)]
        return {
            f"{runtime}_{num_threads}_threads": windows_per_second(self.forward(runtime, num_threads))
            for runtime, num_threads in cases
        }

    def _speed(self, server: Server, concurrency: int) -> Speed:
        warm_up = self._load(server, concurrency, _WARM_UP_SHARE * self._seconds)
        server.settle()
        before = server.cpu_seconds()
        load = self._load(server, concurrency, long_enough(self._seconds, concurrency, warm_up.requests_per_second))
        used = server.cpu_seconds() - before
        server.settle()
        name = server.contender.name
        assert load.errors == 0 and load.requests, f"{load.errors} errors of {name} at {concurrency}: {load}"
        speed = Speed(
            round(load.requests_per_second, 2),
            load.p50_ms,
            load.p99_ms,
            round(1000 * used / load.requests, 4),
            load.client_cpu_seconds,
            round(os.getloadavg()[0], 2),
        )
        print(name, concurrency, speed, flush=True)
        return speed

    def _load(self, server: Server, concurrency: int, seconds: float) -> ClosedLoad:
        bodies = [server.contender.body(context) for context in self._contexts]
        return closed_load(server.address, server.contender.path, bodies, concurrency, seconds)

    def _check(self, server: Server, expected: FloatArray) -> None:
        """Asserts that a server answers some of the series with the expected quantiles."""
        asked = self._contexts[: len(expected)]
        answers = np.stack([server.ask(context) for context in asked])
        worst = float((np.abs(answers - expected).max(axis=(1, 2)) / asked.std(axis=1)).max())
        assert worst <= TOLERANCE, f"{server.contender.name} is {worst:.1e} of the spread off"


def _eager(home: Home, series: FloatArray) -> FloatArray:
    """Gives the quantiles [S H Q] that eager torch forecasts."""
    predictor, context = load_predictor(home.bundle, "eager"), torch.from_numpy(series)
    observed = torch.ones_like(context, dtype=torch.bool)
    return predictor.quantiles(context, observed, predictor.levels).numpy()


def _median_speed(speeds: Sequence[Speed]) -> Speed:
    return Speed(**{name: _median(asdict(one)[name] for one in speeds) for name in asdict(speeds[0])})


def _median(numbers: Iterable[float]) -> float:
    return float(np.median(list(numbers)))


def _shown(speeds: Round) -> dict[str, dict[str, dict[str, float]]]:
    return {
        server: {str(concurrency): asdict(speed) for concurrency, speed in found.items()}
        for server, found in speeds.items()
    }


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=6.0, help="of each measurement, after a quarter to warm up")
    arguments.add_argument("--variants", action="store_true", help="measure the other settings of the peers too")
    arguments.add_argument("--save", action="store_true", help="write docs/results/serve_speed.json")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
