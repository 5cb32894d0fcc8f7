"""Sockets that send a byte now and then: what honest clients notice, and when the slow ones are closed (T13).

A third of the slow sockets is silent, a third never ends its headers, a third never ends its body. Honest clients ask
at a steady pace before and meanwhile. The control is the same application under uvicorn as it comes: it closes none.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.clients import drip, has_ended, load, stuck_sockets
from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import Serving, home_with_model, serving

CONTROL = (sys.executable, "-m", "benchmarks.reliability.control")
_NUM_HONEST, _PAUSE_SECONDS = 2, 0.05


@dataclass(frozen=True)
class Attack:
    """How many slow sockets for how long, and the deadlines that the service has."""

    num_sockets: int
    seconds: float
    header_seconds: float
    body_seconds: float


FULL = Attack(200, 60.0, 10.0, 30.0)
SHORT = Attack(40, 8.0, 1.5, 3.0)


def attacked(service: Serving, attack: Attack) -> dict[str, object]:
    """Measures honest clients for as long without and with the slow sockets, and how long these stay open."""
    with load(service.address, _NUM_HONEST, _PAUSE_SECONDS) as idle:
        time.sleep(min(attack.seconds, 15.0))
    with (
        load(service.address, _NUM_HONEST, _PAUSE_SECONDS) as meanwhile,
        stuck_sockets(service.address, attack.num_sockets) as sockets,
    ):
        begin = time.monotonic()
        left, within_headers, closed_after = list(sockets), set(sockets[1::3]), 0.0
        while time.monotonic() < begin + attack.seconds:
            drip([one for one in left if one in within_headers])
            still = [one for one in left if not has_ended(one)]
            if len(still) < len(left):
                closed_after = time.monotonic() - begin
            left = still
            time.sleep(0.5)
    return {
        "idle_p99_ms": idle.percentile_ms(99),
        "attacked_p99_ms": meanwhile.percentile_ms(99),
        "honest_requests": len(meanwhile.seconds),
        "honest_failed": meanwhile.num_failed,
        "left_open": len(left),
        "last_closed_after_seconds": round(closed_after, 1),
    }


def measure(attack: Attack) -> dict[str, object]:
    """Attacks the service and the control."""
    with home_with_model() as home:
        ours = _measure_ours(home, attack)
        with serving(home, command=CONTROL) as service:
            control = attacked(service, attack)
    return {"slow_sockets": attack.num_sockets, "seconds": attack.seconds, **ours, "control": control}


def _measure_ours(home: Path, attack: Attack) -> dict[str, object]:
    settings = {"header_seconds": attack.header_seconds, "body_seconds": attack.body_seconds}
    with serving(home, **settings) as service:
        return attacked(service, attack)


def main() -> None:
    """Prints the record; --short has fewer sockets, less time and shorter deadlines."""
    run_command("slowloris", __doc__, lambda short: measure(SHORT if short else FULL))


if __name__ == "__main__":
    main()
