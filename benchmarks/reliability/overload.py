"""Ten times what the service can do, for a minute: who is answered, who is turned away, and what is left of it (T3).

    idle      10 requests a second                     their p99 is what the service must come back to
    capacity  closed loop, before and after            requests a second, the mean of both
    overload  open loop at ten times the capacity      each with a deadline of 1 s
    probes    as when idle, right after the overload

The generator shares the processor with the service. So the model is one whose forward takes nearly all of the time:
with 4 series a request, tens of requests a second are its capacity, and ten times that is a rate at which the
generator keeps its schedule. Its own delay counts in every latency; a run in which it was late is not valid. The
control is the same service with admission switched off by settings, and no deadline on the requests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.capacity import capacity
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import MODEL, home_with_model, serving
from benchmarks.serving.connection import Address, http_request
from benchmarks.serving.load import OpenLoop, Sent, evenly, open_load
from forecaster.arrays import FloatArray
from forecaster.config import ModelConfig

_NUM_SERIES, _NUM_POINTS = 4, 512
HEAVY = ModelConfig(
    horizon=24, context_length=_NUM_POINTS, patch_length=16, d_model=256, num_heads=4, num_layers=6, d_ff=1024
)
DEADLINE_SECONDS = 1.0
TIMES_CAPACITY = 10
MAX_DELAY_SECONDS = 0.05  # of the generator, at its 99th percentile
_NUM_CONNECTIONS = 16  # of the closed loop: two full batches
_PROBE_RATE, _PROBE_SECONDS, _CALM_SECONDS = 10, 10.0, 2.0
_PATH = "/v1/forecast"
_NO_ADMISSION: dict[str, Any] = {"max_queue_seconds": 1e6, "max_requests": 10**6, "deadline_seconds": 1e6}


@dataclass(frozen=True)
class Overload:
    """How long the parts take."""

    seconds: float
    control_seconds: float
    capacity_seconds: float
    idle_seconds: float


FULL = Overload(60.0, 15.0, 10.0, 20.0)
SHORT = Overload(8.0, 6.0, 4.0, 5.0)


def measure(overload: Overload) -> dict[str, object]:
    """Overloads the service and the control."""
    with home_with_model(config=HEAVY) as home:
        ours = _measured(home, overload, overload.seconds, {"x-request-deadline-ms": f"{1000 * DEADLINE_SECONDS:.0f}"})
        control = _measured(home, overload, overload.control_seconds, {}, **_NO_ADMISSION)
    return {**ours, "control": control}


def _measured(
    home: Path, overload: Overload, seconds: float, headers: dict[str, str], **settings: Any
) -> dict[str, object]:
    with serving(home, **settings) as service:
        address = Address(*service.address)
        unhurried, request = (http_request(address, _PATH, _body(), given) for given in ({}, headers))
        capacity_before = capacity(address, unhurried, _NUM_CONNECTIONS, overload.capacity_seconds)
        idle = open_load(address, [request], _plan(evenly(_PROBE_RATE, overload.idle_seconds)))
        resident = service.resident_bytes()
        sent, probes = _overloaded(address, request, TIMES_CAPACITY * capacity_before, seconds)
        grown = service.resident_bytes() / resident - 1
        capacities = capacity_before, capacity(address, unhurried, _NUM_CONNECTIONS, overload.capacity_seconds)
    return {
        "seconds": seconds,
        "capacity_per_second": [round(one, 1) for one in capacities],
        **figures(sent, seconds, float(np.mean(capacities))),
        **back_to_idle(idle, probes),
        "rss_growth_percent": round(100 * grown, 2),
    }


def figures(sent: Sequence[Sent], seconds: float, per_second: float) -> dict[str, object]:
    """Gives what is promised of the requests of an overload, and whether the generator kept its schedule.

    `per_second` is the capacity.
    """
    accepted = [one for one in sent if one.status == 200]
    sheds = [one for one in sent if one.status in (429, 503)]
    goodput = sum(one.latency_seconds <= DEADLINE_SECONDS for one in accepted) / seconds
    delay = percentile([one.delay_seconds for one in sent], 99)
    num_held_back = sum(one.fault == "held_back" for one in sent)
    return {
        "offered_per_second": round(len(sent) / seconds, 1),
        "goodput_over_capacity": round(goodput / per_second, 3),
        "accepted": len(accepted),
        "accepted_p99_ms": _ms(percentile([one.latency_seconds for one in accepted], 99)),
        "sheds": len(sheds),
        "shed_p99_ms": _ms(percentile([one.latency_seconds for one in sheds], 99)),
        "sheds_without_retry_after_or_problem_json": sum(not is_proper(one) for one in sheds),
        "resets": sum(one.fault in ("reset", "half", "refused", "malformed") for one in sent),
        "timeouts": sum(one.fault == "timeout" for one in sent),
        "other_5xx": sum(one.status is not None and one.status >= 500 and one.status != 503 for one in sent),
        "held_back": num_held_back,
        "generator_delay_p99_ms": _ms(delay),
        "is_valid": delay <= MAX_DELAY_SECONDS and not num_held_back,
    }


def is_proper(shed: Sent) -> bool:
    """Says whether a refusal tells when to come again, and is a problem."""
    retry_after, kind = shed.headers.get("retry-after", ""), shed.headers.get("content-type", "")
    return retry_after.isdigit() and int(retry_after) >= 1 and kind == "application/problem+json"


def back_to_idle(idle: Sequence[Sent], probes: Sequence[Sent]) -> dict[str, object]:
    """Gives the p99 of an idle service, and after how long the probes are within 1.5 times that."""
    p99 = percentile([one.latency_seconds for one in idle if one.status == 200], 99)
    seconds = calm_after(probes, 1.5 * p99)
    return {
        "idle_p99_ms": _ms(p99),
        "back_to_idle_seconds": None if seconds is None else round(seconds, 2),
    }


def calm_after(probes: Sequence[Sent], limit_seconds: float, calm_seconds: float = _CALM_SECONDS) -> float | None:
    """Gives after how long the probes begin to be answered within the limit for `calm_seconds` on end; None: never."""
    begin = since = probes[0].due
    for probe in probes:
        if probe.status != 200 or probe.latency_seconds > limit_seconds:
            since = probe.due + 1 / _PROBE_RATE
        elif probe.due - since >= calm_seconds - 1.5 / _PROBE_RATE:
            return since - begin
    return None


def percentile(seconds: Sequence[float], percent: float) -> float:
    """Gives a percentile; NaN of nothing."""
    return float(np.percentile(seconds, percent)) if seconds else math.nan


def _overloaded(address: Address, request: bytes, rate: float, seconds: float) -> tuple[list[Sent], list[Sent]]:
    """Sends the overload, and the probes that follow it without a pause."""
    overload = evenly(rate, seconds)
    sent = open_load(
        address, [request], _plan(np.concatenate([overload, seconds + evenly(_PROBE_RATE, _PROBE_SECONDS)]))
    )
    return sent[: len(overload)], sent[len(overload) :]


def _plan(due: FloatArray) -> OpenLoop:
    return OpenLoop(due, timeout_seconds=10.0, max_open=900, kept_headers=("retry-after", "content-type"))


def _body() -> bytes:
    target = [round(100 + 10 * math.sin(math.tau * step / 24) + step % 7, 2) for step in range(_NUM_POINTS)]
    series = [{"id": str(place), "start": "2024-01-01T00:00:00", "target": target} for place in range(_NUM_SERIES)]
    return json.dumps({"model": MODEL, "horizon": 24, "frequency": "h", "series": series}).encode()


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(1000 * seconds, 1)


def main() -> None:
    """Prints the record; --short overloads for 8 s instead of 60."""
    run_command("overload", __doc__, lambda short: measure(SHORT if short else FULL))


if __name__ == "__main__":
    main()
