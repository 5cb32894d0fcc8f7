"""Half an hour of steady load with reloads, poison and clients that go away: does anything grow (T9).

An open loop at 60 % of capacity; every hundredth request cannot be answered, beside it a client leaves in the middle
for every fiftieth, and the champion changes between two versions every 30 s. Resident memory is sampled and a line is
fitted from the time on when pools are full; what it grows by is told for 25 minutes, as long as the full form fits.
A short form cannot tell so little from what allocators do: it is held against what the control keeps, a request.
Descriptors and threads are counted when nobody asks, early and at the end. The control keeps 1 KiB of each request.

A line of progress goes to standard error each minute. SIGTERM ends it early, with the figures so far.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks.record import machine_setup, record
from benchmarks.reliability.capacity import capacity
from benchmarks.reliability.clients import beside, forecast_bytes, half_sent
from benchmarks.reliability.command import EDGE, flags_of
from benchmarks.reliability.serving import MODEL, Serving, home_with_model, register_untrained, serving
from benchmarks.serving.connection import Address
from benchmarks.serving.load import OpenLoop, Sent, evenly, open_load

CONTROL = (sys.executable, "-m", "benchmarks.reliability.leaking_service", "serve")
LOAD_SHARE = 0.6
MAX_SLOPE_PERCENT, MAX_GROWTH_MIB = 1.0, 10.0  # an hour; over the time below
MAX_SHORT_BYTES = 512  # a request, where the run is short: half of what the control keeps
_FITTED_SECONDS = 1500.0
_POISON_EACH, _LEAVE_SHARE = 100, 0.02
_CHUNK_SECONDS, _SAMPLE_SECONDS, _NUM_CONNECTIONS = 10.0, 1.0, 4
_REFRESH_SECONDS, _MINUTE = 1.0, 60.0
_CALM_LOOKS, _CALM_PAUSE = 10, 0.3


@dataclass(frozen=True)
class Soak:
    """How long, from when on memory is fitted, and how often the champion changes."""

    seconds: float
    settling_seconds: float
    reload_seconds: float

    @classmethod
    def lasting(cls, seconds: float) -> Soak:
        """Gives one in the proportions of the full form, with at least two reloads and time for pools to fill."""
        return cls(seconds, max(seconds / 6, min(30.0, seconds / 2)), min(30.0, seconds / 6))


FULL, SHORT = Soak.lasting(1800.0), Soak.lasting(60.0)


@dataclass(frozen=True)
class Sample:
    """What a process held at a time after the start."""

    seconds: float
    resident_bytes: int
    num_fds: int
    num_threads: int


@dataclass
class Course:
    """What has happened so far."""

    soak: Soak
    rate: float
    samples: list[Sample] = field(default_factory=list)
    sent: list[tuple[float, float]] = field(default_factory=list)  # of those answered: due after the start, latency
    outcomes: Counter[str] = field(default_factory=Counter)
    num_reloads: int = 0
    num_left: int = 0

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.samples[-1].seconds if self.samples else 0.0


def measure(soak: Soak, control: Soak, stop: threading.Event) -> dict[str, object]:
    """Soaks the service, then the control unless it is told to stop."""
    with home_with_model() as home:
        register_untrained(home, seed=1)
        ours = _soaked(home, soak, stop)
        leaking = {} if stop.is_set() else _soaked(home, control, stop, *CONTROL)
    return {**ours, "ended_early": stop.is_set(), "control": leaking}


def _soaked(home: Path, soak: Soak, stop: threading.Event, *command: str) -> dict[str, object]:
    with serving(home, command=command, refresh_seconds=_REFRESH_SECONDS) as service:
        rate = LOAD_SHARE * capacity(Address(*service.address), forecast_bytes(), _NUM_CONNECTIONS, 5.0)
        course = Course(soak, rate)
        _send(service, course, time.monotonic(), _CHUNK_SECONDS)
        early = _calm(service)
        course = Course(soak, rate)
        with _beside(service, home, course):
            _load(service, course, stop)
        late = _calm(service)
        swaps = service.log.read_text().count('"version_loaded"') - 1
    return {**figures(course), **held(early, late), "swaps": swaps}


def _load(service: Serving, course: Course, stop: threading.Event) -> None:
    begin = told = time.monotonic()
    while time.monotonic() - begin < course.soak.seconds and not stop.is_set():
        _send(service, course, begin, min(_CHUNK_SECONDS, course.soak.seconds))
        if time.monotonic() - told >= _MINUTE:
            told = time.monotonic()
            print(json.dumps(figures(course)), file=sys.stderr, flush=True)


def _send(service: Serving, course: Course, begin: float, seconds: float) -> None:
    """Sends a part of the load, each hundredth request one that cannot be answered."""
    requests = [forecast_bytes()] * (_POISON_EACH - 1) + [_poison()]
    sent = open_load(Address(*service.address), requests, OpenLoop(evenly(course.rate, seconds)))
    for one in sent:
        is_poison = one.number % _POISON_EACH == _POISON_EACH - 1
        course.outcomes[how_ended(one, is_poison=is_poison)] += 1
        if one.status == 200:
            course.sent.append((one.due - begin, one.latency_seconds))


def how_ended(one: Sent, *, is_poison: bool) -> str:
    """Gives 'answered', 'refused' for poison as it should be, or what went wrong."""
    if one.status == (422 if is_poison else 200):
        return "refused" if is_poison else "answered"
    return f"failed: {one.status or one.fault}"


def _beside(service: Serving, home: Path, course: Course) -> AbstractContextManager[None]:
    """Samples, reloads and lets clients leave, each in a thread, until the end of the block."""
    return beside([partial(_sample, service, course), partial(_reload, home, course), partial(_leave, service, course)])


def _sample(service: Serving, course: Course, ended: threading.Event) -> None:
    begin = time.monotonic()
    while not ended.wait(_SAMPLE_SECONDS):
        course.samples.append(_sampled(service, time.monotonic() - begin))


def _sampled(service: Serving, seconds: float) -> Sample:
    process = psutil.Process(service.pid)
    with process.oneshot():
        return Sample(seconds, process.memory_info().rss, process.num_fds(), process.num_threads())


def _reload(home: Path, course: Course, ended: threading.Event) -> None:
    from pipelines import tracking
    from pipelines.config import Environment
    from pipelines.registry import CHAMPION

    client = tracking.connect(Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}"))
    while not ended.wait(course.soak.reload_seconds):
        course.num_reloads += 1
        client.set_registered_model_alias(MODEL, CHAMPION, str(1 + (course.num_reloads + 1) % 2))


def _leave(service: Serving, course: Course, ended: threading.Event) -> None:
    """Leaves within a body and while an answer is computed, in turn."""
    sent = half_sent(), forecast_bytes()
    while not ended.wait(1 / (_LEAVE_SHARE * course.rate)):
        with suppress(OSError), socket.create_connection(service.address, timeout=10) as connection:
            connection.sendall(sent[course.num_left % 2])
            course.num_left += 1


def _calm(service: Serving) -> Sample:
    """Gives the least of what the service holds over a few seconds in which nobody asks."""
    looks = []
    for _ in range(_CALM_LOOKS):
        time.sleep(_CALM_PAUSE)
        looks.append(_sampled(service, 0.0))
    return Sample(
        0.0,
        min(look.resident_bytes for look in looks),
        min(look.num_fds for look in looks),
        min(look.num_threads for look in looks),
    )


def figures(course: Course) -> dict[str, object]:
    """Gives what has been measured so far."""
    window = course.soak.seconds / 6
    first, last = p99_ms(course.sent, 0, window), p99_ms(course.sent, course.seconds - window, course.seconds)
    return {
        "seconds": round(course.seconds),
        "requests_per_second": round(course.rate, 1),
        "outcomes": dict(course.outcomes),
        "left": course.num_left,
        "reloads": course.num_reloads,
        **growth(course.samples, course.soak.settling_seconds, course.rate),
        "first_p99_ms": first,
        "last_p99_ms": last,
        "last_over_first_p99": None if first is None or last is None else round(last / first, 2),
    }


def held(early: Sample, late: Sample) -> dict[str, object]:
    """Gives by how many descriptors and threads a service has more than before."""
    return {"more_fds": late.num_fds - early.num_fds, "more_threads": late.num_threads - early.num_threads}


def growth(samples: Sequence[Sample], settling_seconds: float, rate: float) -> dict[str, object]:
    """Fits a line to resident memory after the settling; says whether it is steady by what is promised."""
    fitted = [sample for sample in samples if sample.seconds >= settling_seconds]
    if len(fitted) < 3:
        return {"is_steady": None}
    seconds = np.array([sample.seconds for sample in fitted])
    resident = np.array([float(sample.resident_bytes) for sample in fitted])
    slope = float(np.polyfit(seconds - seconds[0], resident, 1)[0])  # bytes a second
    percent, mib = 100 * 3600 * slope / resident.mean(), slope * _FITTED_SECONDS / 2**20
    is_short = seconds[-1] - seconds[0] < _FITTED_SECONDS / 2
    within = slope / rate < MAX_SHORT_BYTES if is_short else percent < MAX_SLOPE_PERCENT or mib < MAX_GROWTH_MIB
    return {
        "resident_mib": [round(resident[place] / 2**20, 1) for place in (0, -1)],
        "slope_percent_per_hour": round(percent, 2),
        "growth_mib": round(mib, 2),
        "growth_bytes_per_request": round(slope / rate),
        "is_steady": bool(within),
    }


def p99_ms(sent: Sequence[tuple[float, float]], begin: float, end: float) -> float | None:
    """Gives the 99th percentile of the latencies of requests due in [begin, end); None of nothing."""
    latencies = [latency for due, latency in sent if begin <= due < end]
    return round(1000 * float(np.percentile(latencies, 99)), 2) if latencies else None


def _poison() -> bytes:
    request = forecast_bytes()
    assert request.count(b"10.0") >= 1
    return request.replace(b"10.0", b"null", 1).replace(b'"h"', b'"x"')


def main() -> None:
    """Prints the record; --short takes a minute instead of half an hour, --seconds as long as it says."""
    parser = flags_of(__doc__)
    parser.add_argument("--seconds", type=float)
    flags = parser.parse_args()
    soak = Soak.lasting(flags.seconds) if flags.seconds else SHORT if flags.short else FULL
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    found = measure(soak, SHORT, stop)
    record("soak", found, machine_setup(list(EDGE)), save=flags.save)


if __name__ == "__main__":
    main()
