"""Many clients whose requests share forward passes: each gets its own answer, whatever the others are or do (T6).

Each request asks for the same base series times a factor of its own, and a forecast scales with its series, so one
answer that was computed alone says what every answer has to be. Factors are at least 1e-4 apart, relatively, and come
in random order; an answer may differ by 1e-5. Beside the clients that are counted, others go away in the middle of
what they ask (30 for 100), or ask what is refused or odd (3 for 100). The control is a service that hands each client
the rows of its neighbour in the batch.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import orjson

from benchmarks.reliability.command import run_command
from benchmarks.reliability.exchange import exchange, request_bytes
from benchmarks.reliability.serving import MODEL, Serving, home_with_model, serving
from benchmarks.serving.connection import Address, Connection, http_request
from forecaster.arrays import FloatArray

MAX_DIFFERENCE = 1e-5
CONTROL = (sys.executable, "-m", "benchmarks.reliability.launcher", "--sabotage", "rotate")
_NUM_CLIENTS, _NUM_DISTURBERS = 48, 8
_SHARE_GONE, _SHARE_ODD = 0.30, 0.03
_STEP = 1e-4
_NUM_IDLE = 300
_BASE = np.round(10 + 3 * np.sin(np.arange(60) / 24 * 2 * np.pi), 3)
_JSON = (("Content-Type", "application/json"),)


@dataclass
class Outcome:
    """What became of the requests that are counted, and how many others there were."""

    statuses: Counter[str] = field(default_factory=Counter)
    num_crossed: int = 0  # answers that are not the client's own
    largest_difference: float = 0.0  # relative, of the answers that are
    num_gone: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def body_of(factor: float, name: str) -> bytes:
    """Gives a request for the base series times a factor."""
    series = [{"id": name, "start": "2024-01-01T00:00:00", "target": (_BASE * factor).tolist()}]
    return orjson.dumps({"model": MODEL, "horizon": 6, "frequency": "h", "series": series})


def values_in(body: bytes, name: str) -> FloatArray | None:
    """Gives the quantiles [Q H] of a reply; None where it is for somebody else."""
    forecast = orjson.loads(body)["forecasts"][0]
    return np.array(list(forecast["quantiles"].values())) if forecast["id"] == name else None


async def answered_alone(address: Address) -> FloatArray:
    """Gives the answer to the base series while nobody else asks."""
    connection = await Connection.open(address)
    reply = await connection.exchange(http_request(address, "/v1/forecast", body_of(1.0, "base")))
    connection.close()
    values = values_in(reply.body, "base")
    assert values is not None and np.isfinite(values).all(), reply
    return values


async def crowd(service: Serving, number: int, seed: int = 0) -> Outcome:
    """Lets the clients ask `number` requests, and the others disturb them meanwhile."""
    address = Address(*service.address)
    base, outcome, draw = await answered_alone(address), Outcome(), random.Random(seed)  # noqa: S311 - load, no secrets
    factors = [float(np.exp(_STEP * place)) for place in range(number)]
    draw.shuffle(factors)
    begin = time.monotonic()
    left = iter(enumerate(factors))
    disturbances = iter(_disturbances(number, draw))
    async with asyncio.TaskGroup() as group:
        for _ in range(_NUM_CLIENTS):
            group.create_task(_client(address, left, base, outcome))
        for _ in range(_NUM_DISTURBERS):
            group.create_task(_disturber(service, disturbances, outcome, draw))
    outcome.seconds = time.monotonic() - begin
    return outcome


async def _client(address: Address, left: Iterator[tuple[int, float]], base: FloatArray, outcome: Outcome) -> None:
    """Asks one request after the other over one connection, and compares each answer with what it has to be."""
    connection = await Connection.open(address)
    for place, factor in left:
        name = f"client {place}"
        if not connection.is_open:
            connection = await Connection.open(address)
        try:
            reply = await connection.exchange(http_request(address, "/v1/forecast", body_of(factor, name)))
        except OSError as error:
            outcome.statuses[type(error).__name__] += 1
            continue
        outcome.statuses[str(reply.status)] += 1
        if reply.status == 200:
            _judge(values_in(reply.body, name), base * factor, outcome)
    connection.close()


def _judge(values: FloatArray | None, expected: FloatArray, outcome: Outcome) -> None:
    difference = np.inf if values is None else float(np.max(np.abs(values - expected) / np.abs(expected)))
    if difference > MAX_DIFFERENCE:
        outcome.num_crossed += 1
    else:
        outcome.largest_difference = max(outcome.largest_difference, difference)


def _disturbances(number: int, draw: random.Random) -> list[str]:
    found = ["gone"] * int(_SHARE_GONE * number)
    found += [draw.choice(("broken", "too large", "invalid", "spike")) for _ in range(int(_SHARE_ODD * number))]
    draw.shuffle(found)
    return found


async def _disturber(service: Serving, left: Iterator[str], outcome: Outcome, draw: random.Random) -> None:
    for kind in left:
        if kind == "gone":
            with suppress(OSError):
                await _go_away(service.address, draw)
            outcome.num_gone += 1
        else:
            found = await exchange(service.address, _odd_request(kind, draw))
            outcome.odd[f"{kind}: {found.first.status if found.first else 'closed'}"] += 1


async def _go_away(address: tuple[str, int], draw: random.Random) -> None:
    """Sends a request, or a part of it, and is gone before it can be answered."""
    sent = request_bytes(body_of(draw.uniform(1, 1000), "gone"), _JSON)
    _, writer = await asyncio.open_connection(*address)
    writer.write(sent if draw.random() < 0.8 else sent[: draw.randrange(1, len(sent))])
    await asyncio.sleep(draw.choice((0.0, draw.uniform(0, 0.02), draw.uniform(0, 0.1))))
    writer.transport.abort()


def _odd_request(kind: str, draw: random.Random) -> bytes:
    whole = body_of(draw.uniform(1, 1000), "odd")
    bodies = {
        "broken": whole[:-5],
        "too large": whole.ljust((1 << 20) + 1),
        "invalid": whole.replace(b"2024-01-01", b"2024-02-30"),
        "spike": body_of(1.0, "odd").replace(b"[10.0,", b"[1e29,"),
    }
    return request_bytes(bodies[kind], _JSON)


async def clean_requests(service: Serving, number: int) -> tuple[int, float]:
    """Asks one clean request after the other; gives how many got 200, and the 99th percentile in milliseconds."""
    address = Address(*service.address)
    connection, seconds, num_good = await Connection.open(address), [], 0
    request = http_request(address, "/v1/forecast", body_of(1.0, "clean"))
    for _ in range(number):
        begin = time.monotonic()
        num_good += (await connection.exchange(request)).status == 200
        seconds.append(time.monotonic() - begin)
    connection.close()
    return num_good, round(1000 * float(np.percentile(seconds, 99)), 2)


def batches_of(service: Serving) -> dict[str, float]:
    """Gives from the metrics how many answers there were, how many windows their batches had, and who was given up."""
    text = httpx.get(f"{service.url}/metrics", timeout=30).text
    total = {name: _sum_of(text, f"forecaster_batch_rows_{name}") for name in ("count", "sum")}
    alone = sum(float(found) for found in re.findall(r'forecaster_batch_rows_bucket\{le="1.0".*\} (\S+)', text))
    gone = sum(float(found) for found in re.findall(r'forecaster_requests_total\{.*status="499"\} (\S+)', text))
    return {
        "mean_rows": round(total["sum"] / max(1.0, total["count"]), 2),
        "share_in_company": round(1 - alone / max(1.0, total["count"]), 4),
        "given_up": gone,
    }


def _sum_of(text: str, name: str) -> float:
    return sum(float(found) for found in re.findall(rf"^{name}\{{.*\}} (\S+)", text, re.MULTILINE))


def measure(number: int, control: int = 500) -> dict[str, object]:
    """Runs the crowd, looks at the service afterwards, and runs a smaller crowd on the control."""
    settings: dict[str, Any] = {"authentication": False, "max_body_bytes": 1 << 20, "max_queue_seconds": 5.0}
    with home_with_model() as home:
        with serving(home, **settings) as service:
            asyncio.run(clean_requests(service, 100))
            _, idle_ms = asyncio.run(clean_requests(service, _NUM_IDLE))
            outcome = asyncio.run(crowd(service, number))
            num_good, after_ms = asyncio.run(clean_requests(service, 100))
            _, settled_ms = asyncio.run(clean_requests(service, _NUM_IDLE))
            batches = batches_of(service)
            faults = service.log.read_text().count('"application_failed"')
        with serving(home, command=CONTROL, **settings) as service:
            broken = asyncio.run(crowd(service, control))
    return {
        "requests": number,
        "clients": _NUM_CLIENTS,
        "statuses": dict(outcome.statuses),
        "crossed": outcome.num_crossed,
        "largest_relative_difference": outcome.largest_difference,
        "gone_clients": outcome.num_gone,
        "odd_requests": dict(sorted(outcome.odd.items())),
        "seconds": round(outcome.seconds, 1),
        "batches": batches,
        "unexpected_exceptions": faults,
        "idle_p99_ms": idle_ms,
        "clean_afterwards": num_good,
        "afterwards_p99_ms": after_ms,
        "settled_p99_ms": settled_ms,
        "control_requests": control,
        "control_crossed": broken.num_crossed,
    }


def main() -> None:
    """Prints the record; --short sends 3,000 requests instead of 100,000."""
    run_command(
        "isolation",
        __doc__,
        lambda short: measure(3_000 if short else 100_000),
        ["uvicorn", "httptools", "uvloop", "orjson"],
    )


if __name__ == "__main__":
    main()
