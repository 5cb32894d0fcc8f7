"""SIGKILL of one worker after another under load: what is lost, and how soon as many answer again (T11).

Each client has one request under way at a time, so that a worker's requests in flight are at most as many as the
connections it holds. A request fails with the worker that it was sent to; requests of others must not. The control is
a service of one worker under the same load: killed in the same way, nobody may be found in its place.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.reliability.clients import load
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import Serving, home_with_model, serving

_NUM_WORKERS, _NUM_CLIENTS = 2, 4
_PATIENCE_SECONDS, _CONTROL_SECONDS = 60.0, 5.0
_POLL_SECONDS = 0.02


def kill_one(service: Serving, number: int, patience_seconds: float = _PATIENCE_SECONDS) -> tuple[int, float]:
    """Kills one worker; gives how many connections it held, and the seconds until another one has its model."""
    pids = service.worker_pids()
    victim = pids[number % len(pids)]
    begun, loaded = time.monotonic(), _num_loaded(service)
    held = len([one for one in psutil.Process(victim).net_connections("tcp") if one.status == "ESTABLISHED"])
    os.kill(victim, signal.SIGKILL)
    while _num_loaded(service) <= loaded:
        if time.monotonic() > begun + patience_seconds:
            raise AssertionError(f"no worker came back:\n{service.log.read_text()[-4000:]}")
        time.sleep(_POLL_SECONDS)
    return held, time.monotonic() - begun


def measure(num_kills: int) -> dict[str, object]:
    """Kills so many workers, and the only process of the control."""
    with home_with_model() as home:
        return {**_measure_ours(home, num_kills), "control_is_back": _is_replaced_where_nobody_does(home)}


def _is_replaced_where_nobody_does(home: Path) -> bool:
    """Says whether the same kill under the same load finds a worker in the place of the only one."""
    with serving(home) as service, load(service.address, _NUM_CLIENTS):
        try:
            kill_one(service, 0, _CONTROL_SECONDS)
        except AssertionError:
            return False
    return True


def _measure_ours(home: Path, num_kills: int) -> dict[str, object]:
    excess, held, seconds = 0, 0, []
    with serving(home, "--workers", str(_NUM_WORKERS)) as service:
        _wait_for_all(service)
        with load(service.address, _NUM_CLIENTS) as outcomes:
            for number in range(num_kills):
                time.sleep(0.5)
                before = outcomes.num_failed
                in_flight, until_loaded = kill_one(service, number)
                lost = outcomes.num_failed - before
                excess += max(0, lost - in_flight)
                held += in_flight
                seconds.append(until_loaded)
        counts = dict(outcomes.counts)
    return {
        "kills": num_kills,
        "workers": _NUM_WORKERS,
        "requests": counts,
        "lost": outcomes.num_failed,
        "held_by_the_killed": held,
        "lost_beyond_the_killed": excess,
        "longest_until_healthy_seconds": round(max(seconds), 2),
        "median_until_healthy_seconds": round(sorted(seconds)[len(seconds) // 2], 2),
    }


def _wait_for_all(service: Serving) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _num_loaded(service) < _NUM_WORKERS and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _num_loaded(service: Serving) -> int:
    return service.log.read_text().count('"version_loaded"')


def main() -> None:
    """Prints the record; --short kills 3 workers instead of 50."""
    run_command("worker_kills", __doc__, lambda short: measure(3 if short else 50))


if __name__ == "__main__":
    main()
