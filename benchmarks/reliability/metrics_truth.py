"""What the metrics tell against what clients saw, over thousands of requests of every kind (T21).

A client counts each request by route, method and status. A reply that names another request than the client did was
refused before the application saw it; that one is counted by the code of its problem. What the service counted in the
meantime has to be the same, number by number, scrapes included. The series of the exposition may not become more after
the first block, in which each kind of request occurs. In the control the counters leave out one count of a hundred.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.reliability.command import run_command
from benchmarks.reliability.counting_client import TIMEOUT_SECONDS, Client, Outcome
from benchmarks.reliability.mixed_requests import MAX_BODY_BYTES, Keys, block, forecast, get
from benchmarks.reliability.serving import MODEL, forecast_body, home_with_model, serving
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings

CONTROL = (sys.executable, "-m", "benchmarks.reliability.skipping_counter", "serve")
_UNDER_WAY_SECONDS, _SETTLE_SECONDS = 0.1, 15.0
_SERIES_ROLLED_OUT, _STEPS_ROLLED_OUT = 64, 256  # a second, in blocks of two whole batches
_NUM_LEAVING = 5  # clients of a block that go while they wait
_SEED = 4


@dataclass(frozen=True)
class Mix:
    """How many requests, in blocks that hold each kind."""

    num_blocks: int
    block_size: int


FULL, SHORT = Mix(10, 1000), Mix(2, 250)


def counted(exposition: str) -> Counter[Outcome]:
    """Gives what the service counted, named as a client does."""
    found: Counter[Outcome] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "forecaster_requests_total":
                found[labels["route"], labels["method"], labels["status"]] = int(sample.value)
            elif sample.name == "forecaster_refusals_total":
                found[(labels["code"],)] = int(sample.value)
    return found


def num_series(exposition: str) -> int:
    """Gives how many series an exposition has."""
    return sum(len(family.samples) for family in text_string_to_metric_families(exposition))


def clients_that_go(address: tuple[str, int], key: str, number: int) -> Counter[Outcome]:
    """Lets clients go while they wait for a turn between blocks of a roll-out; gives what was to be seen of it all."""
    client = Client(address)
    rolled_out = {**forecast_body(horizon=_STEPS_ROLLED_OUT), "roll_out": True}
    (series,) = rolled_out["series"]
    rolled_out["series"] = [{**series, "id": str(place)} for place in range(_SERIES_ROLLED_OUT)]
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as first:
        sending = forecast(key, json.dumps(rolled_out).encode())
        first.sendall(sending.data)
        time.sleep(_UNDER_WAY_SECONDS)
        for _ in range(number):
            with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as goes:
                goes.sendall(forecast(key, json.dumps(forecast_body()).encode()).data)
        client.seen["/v1/forecast", "POST", "499"] += number
        client.read(first, sending)
    return client.seen


def compared(address: tuple[str, int], keys: Keys, mix: Mix) -> dict[str, object]:
    """Sends the mix; gives where the counts differ, and how many series there are after each block."""
    client, draw = Client(address), random.Random(_SEED)  # noqa: S311 - an order, no secret
    before = counted(_scrape(client, keys))
    series = []
    for _ in range(mix.num_blocks):
        client.seen += clients_that_go(address, keys.full, _NUM_LEAVING)
        for sending in block(keys, mix.block_size - _NUM_LEAVING - 1, draw):
            client.send(sending)
        series.append(num_series(_scrape(client, keys)))
    differing, num_requests = _settled_differences(client, keys, before)
    return {
        "requests": num_requests,
        "outcomes": len(client.seen),
        "statuses": dict(sorted(_by_status(client.seen).items())),
        "refused_at_the_edge": sum(number for how, number in client.seen.items() if len(how) == 1),
        "differing_counts": len(differing),
        "differences": {" ".join(how): number for how, number in sorted(differing.items())[:20]},
        "series_after_each_block": series,
        "series_constant": len(set(series)) == 1,
    }


def _settled_differences(client: Client, keys: Keys, before: Counter[Outcome]) -> tuple[dict[Outcome, int], int]:
    """Scrapes until both counts agree, or for some seconds; gives counted minus seen where they differ."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        seen = client.seen.copy()  # a scrape does not count itself
        now = counted(_scrape(client, keys))
        differing = differences(now, before, seen)
        if not differing or time.monotonic() > deadline:
            return differing, seen.total()
        time.sleep(0.2)


def differences(now: Counter[Outcome], before: Counter[Outcome], seen: Counter[Outcome]) -> dict[Outcome, int]:
    """Gives by how much the service counted more than clients saw since `before`, where it is not the same."""
    gaps = {how: now[how] - before[how] - seen[how] for how in {*now, *before, *seen}}
    return {how: gap for how, gap in gaps.items() if gap}


def _scrape(client: Client, keys: Keys) -> str:
    return client.send(get("/metrics", keys.full))[0].body.decode()


def _by_status(seen: Counter[Outcome]) -> Counter[str]:
    found: Counter[str] = Counter()
    for how, number in seen.items():
        found[how[2] if len(how) == 3 else "edge"] += number
    return found


def measure(mix: Mix) -> dict[str, object]:
    """Compares the counts of the service, and of the control."""
    with home_with_model() as home:
        keys = _keys(home)
        ours = _measured(home, keys, mix)
        control = _measured(home, keys, SHORT, *CONTROL)
    return {**ours, "control": control}


def _measured(home: Path, keys: Keys, mix: Mix, *command: str) -> dict[str, object]:
    settings: dict[str, Any] = {"max_body_bytes": MAX_BODY_BYTES, "max_auth_failures": 10**6, "max_queue_seconds": 1e6}
    with serving(home, command=command, authentication=True, models=MODEL, **settings) as service:
        return compared(service.address, keys, mix)


def _keys(home: Path) -> Keys:
    store = KeyStore(KeyFiles.of(Settings(home=home)))
    full, narrow = ((Scope.FORECAST, Scope.METRICS), (Scope.FORECAST,))
    return Keys(*(store.create(KeyTerms(scopes=scopes)).token for scopes in (full, narrow)))


def main() -> None:
    """Prints the record; --short sends 500 requests instead of 10,000."""
    run_command("metrics_truth", __doc__, lambda short: measure(SHORT if short else FULL))


if __name__ == "__main__":
    main()
