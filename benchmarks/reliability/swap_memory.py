"""Resident memory over swaps: after 200 of them it has to be what it was after 20 (T19).

Two versions with random weights take turns as champion. After each swap the service answers some requests, so that
memory is what a forecast needs. The control keeps the versions that were replaced.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.reliability.command import run_command
from benchmarks.reliability.reloads import wait_until_followed
from benchmarks.reliability.serving import MODEL, Serving, forecast_body, serving, write_untrained
from benchmarks.reliability.versions import Versions
from benchmarks.serving.model import MODEL as SERVED

MAX_RATIO = 1.05
_REFRESH_SECONDS = 0.2
_NUM_REQUESTS, _NUM_LOOKS = 5, 5


@dataclass(frozen=True)
class Plan:
    """After how many swaps memory is looked at, and the runtimes that are measured."""

    early: int
    late: int
    runtimes: tuple[str, ...] = ("eager", "onnx")


FULL = Plan(20, 200)
SHORT = Plan(8, 24, ("eager",))


def measure(plan: Plan) -> dict[str, object]:
    """Swaps versions in the service on each runtime, and in the control."""
    with tempfile.TemporaryDirectory(prefix="forecaster-home-") as folder:
        home = Path(folder)
        registry = Versions(home, MODEL)
        for seed in range(2):
            bundle = home / str(seed)
            registry.add(bundle, write_untrained(bundle, SERVED, seed, has_graph="onnx" in plan.runtimes))
        found = {name: _grown(home, registry, plan, name, ()) for name in plan.runtimes}
        command = (sys.executable, "-m", "benchmarks.reliability.careless", "hoarding")
        control = _grown(home, registry, plan, plan.runtimes[0], command)
    return {"swaps": plan.late, "looked_after": [plan.early, plan.late], **found, "control": control}


def _grown(home: Path, registry: Versions, plan: Plan, runtime: str, command: Sequence[str]) -> dict[str, object]:
    """Gives the resident memory early and late, and their ratio."""
    registry.promote("1")
    settings = {"refresh_seconds": _REFRESH_SECONDS, "runtime": runtime, "authentication": False}
    with serving(home, command=command, **settings) as service:
        wait_until_followed(service, "1")
        first = _settled_mib(service)
        swap(service, registry, plan.early)
        early = _settled_mib(service)
        swap(service, registry, plan.late - plan.early)
        late = _settled_mib(service)
    return {
        "first_mib": first,
        "early_mib": early,
        "late_mib": late,
        "ratio": round(late / early, 3),
    }


def swap(service: Serving, registry: Versions, number: int) -> None:
    """Lets the other version serve, so many times, and asks for forecasts each time."""
    (model,) = httpx.get(f"{service.url}/v1/models", timeout=30).json()["models"]
    served = int(model["version"])
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for _ in range(number):
            served = 3 - served
            registry.promote(str(served))
            wait_until_followed(service, str(served))
            for _ in range(_NUM_REQUESTS):
                client.post("/v1/forecast", json=forecast_body()).raise_for_status()


def _settled_mib(service: Serving) -> float:
    """Gives resident memory, the least of several looks."""
    sizes = []
    for _ in range(_NUM_LOOKS):
        time.sleep(0.2)
        sizes.append(service.resident_bytes())
    return round(min(sizes) / (1 << 20), 1)


def main() -> None:
    """Prints the record; --short makes 24 swaps instead of 200, without ONNX Runtime."""
    run_command("swap_memory", __doc__, lambda short: measure(SHORT if short else FULL), ["onnxruntime", "mlflow"])


if __name__ == "__main__":
    main()
