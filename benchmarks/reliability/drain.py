"""SIGTERM under load: what becomes of requests that were started, and how long the process takes to end (T12).

In each cycle a service is started, clients ask without a pause over connections that they keep, and the service is
told to end; in the last cycle there are also sockets that never finish what they send. A request fails if it gets
neither a whole 200 nor a 503 with Retry-After; one whose connection is refused was not started. The control is the
same application under uvicorn as it comes, with stuck sockets: it does not end.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.clients import load, stuck_sockets
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import Serving, home_with_model, serving

MAX_EXIT_SECONDS = 10.0
CONTROL = (sys.executable, "-m", "benchmarks.reliability.control")
_LOAD_SECONDS = 0.5
_NUM_CLIENTS = 4


@dataclass(frozen=True)
class Drain:
    """What one cycle came to."""

    outcomes: Counter[str]
    num_failed: int
    exit_seconds: float | None  # None: it had to be killed
    exit_code: int | None


def drain_cycle(home: Path, num_stuck: int, *flags: str, command: tuple[str, ...] = ()) -> Drain:
    """Starts a service, loads it, ends it."""
    with serving(home, *flags, command=command) as service, stuck_sockets(service.address, num_stuck):
        with load(service.address, _NUM_CLIENTS) as outcomes:
            time.sleep(_LOAD_SECONDS)
            seconds, code = terminate(service, MAX_EXIT_SECONDS + 2)
        return Drain(outcomes.counts, outcomes.num_failed, seconds, code)


def terminate(service: Serving, patience: float) -> tuple[float | None, int | None]:
    """Sends SIGTERM; gives the seconds until the process has ended, and its exit code."""
    begin = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    try:
        code = service.process.wait(patience)
    except subprocess.TimeoutExpired:
        return None, None
    return time.monotonic() - begin, code


def measure(num_cycles: int, num_stuck: int) -> dict[str, object]:
    """Runs the cycles, the last with stuck sockets, and the control."""
    with home_with_model() as home:
        cycles = [drain_cycle(home, num_stuck if number == num_cycles - 1 else 0) for number in range(num_cycles)]
        control = drain_cycle(home, num_stuck, command=CONTROL)
    exits = [cycle.exit_seconds for cycle in cycles]
    return {
        "cycles": num_cycles,
        "stuck_sockets": num_stuck,
        "requests": dict(sum((cycle.outcomes for cycle in cycles), Counter())),
        "failed": sum(cycle.num_failed for cycle in cycles),
        "killed": sum(seconds is None for seconds in exits),
        "longest_exit_seconds": round(max((s for s in exits if s is not None), default=0.0), 2),
        "exit_with_stuck_sockets_seconds": exits[-1] and round(exits[-1], 2),
        "exit_codes": sorted({str(cycle.exit_code) for cycle in cycles}),
        "control_exit_seconds": control.exit_seconds and round(control.exit_seconds, 2),
        "control_failed": control.num_failed,
    }


def main() -> None:
    """Prints the record; --short runs 3 cycles instead of 100."""
    run_command("drain", __doc__, lambda short: measure(3 if short else 100, 50))


if __name__ == "__main__":
    main()
