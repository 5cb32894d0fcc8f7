"""Forecasts that are asked for once more, after three further promotions: are the bytes the same?

Clients ask for forecasts of one to five series at once, so that they share forward passes. Then three other versions
become champion, and each forecast is replayed, one at a time, by PyTorch and by ONNX Runtime. The control computes each
forecast by as many windows as it has itself; under PyTorch the last digits then differ.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import MODEL, Serving, register_untrained, serving

CONTROL = (sys.executable, "-m", "benchmarks.reliability.careless", "alone")

_NUM_CLIENTS, _NUM_PROMOTIONS = 12, 3
_FOLLOWED_SECONDS = 60.0


def given(service: Serving, number: int) -> dict[str, bytes]:
    """Asks for so many forecasts at once; gives the replies by their ids."""
    draw = random.Random(0)  # noqa: S311 - cases, no secrets
    bodies = [_body(draw) for _ in range(number)]
    with httpx.Client(base_url=service.url, timeout=60) as client, ThreadPoolExecutor(_NUM_CLIENTS) as clients:
        replies = clients.map(lambda body: client.post("/v1/forecast", json=body).raise_for_status(), bodies)
        return {reply.json()["id"]: reply.content for reply in replies}


def replayed(service: Serving, replies: dict[str, bytes]) -> dict[str, int]:
    """Replays forecasts; counts those that are the same, different, and refused."""
    counts = {"same": 0, "different": 0, "refused": 0}
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for forecast_id, content in replies.items():
            again = client.post(f"/v1/forecasts/{forecast_id}/replay")
            counts["refused" if again.status_code != 200 else _word(again.content, content)] += 1
    return counts


def promote(home: Path, service: Serving, seeds: Sequence[int], *, has_graph: bool) -> None:
    """Makes other versions champion, one after the other, each of them served."""
    for seed in seeds:
        before = _version(service)
        register_untrained(home, seed=seed, has_graph=has_graph)
        deadline = time.monotonic() + _FOLLOWED_SECONDS
        while _version(service) == before:
            assert time.monotonic() < deadline, "a promotion was not followed"
            time.sleep(0.1)


def measure(number: int, num_control: int) -> dict[str, Any]:
    """Replays forecasts by both runtimes, and a few in the control."""
    found: dict[str, Any] = {"forecasts": number, "promotions": _NUM_PROMOTIONS}
    for runtime in ("eager", "onnx"):
        found[runtime] = _measured(number, runtime)
    return {**found, "control": _measured(num_control, "eager", CONTROL)}


def _measured(number: int, runtime: str, command: Sequence[str] = ()) -> dict[str, int]:
    with TemporaryDirectory(prefix="forecaster-home-") as name:
        home, has_graph = Path(name), runtime == "onnx"  # a graph takes seconds to write
        register_untrained(home, has_graph=has_graph)
        with serving(home, command=command, runtime=runtime, refresh_seconds=0.5) as service:
            replies = given(service, number)
            promote(home, service, range(1, 1 + _NUM_PROMOTIONS), has_graph=has_graph)
            return replayed(service, replies)


def _body(draw: random.Random) -> dict[str, Any]:
    series = [
        {"id": str(place), "start": "2024-01-01T00:00:00", "target": [draw.gauss(10, 3) for _ in range(60)]}
        for place in range(draw.choice((1, 1, 1, 2, 5)))
    ]
    return {"model": MODEL, "horizon": draw.choice((1, 4, 12)), "frequency": "h", "series": series}


def _version(service: Serving) -> str:
    versions: dict[str, str] = httpx.get(f"{service.url}/readyz").json()["models"]
    return versions[MODEL]


def _word(content: bytes, other: bytes) -> str:
    return "same" if content == other else "different"


def main() -> None:
    """Prints the record; --short replays 300 forecasts instead of 10,000."""
    run_command("replays", __doc__, lambda short: measure(300, 200) if short else measure(10_000, 500))


if __name__ == "__main__":
    main()
