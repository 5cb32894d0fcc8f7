"""Every row of the table of bad requests in three positions (T8): alone, in company, and read for what it gives away.

alone       the status and the code of the problem are those of the table
in company  with 31 good requests sent at the same moment: the row is answered as alone, and they too, up to 1e-5
given away  the problem has at most 16 KiB, at most twice the bytes of the request beyond 2 KiB, and none of its texts

The table is that of the tests and of docs/bad-inputs.md. The control is a service that repeats what it refuses.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.command import run_command
from benchmarks.reliability.exchange import Exchange, Reply, exchange, request_bytes
from benchmarks.reliability.serving import (
    MODEL,
    TINY,
    Serving,
    home_with_model,
    register_untrained,
    serving,
    wait_until_served,
)
from forecaster.arrays import FloatArray
from service.problems import MEDIA_TYPE
from tests.pipelines.factories import PRICED
from tests.service import bad_headers
from tests.service.bad_protocol import BadBytes
from tests.service.bad_requests import LOCKED, MARKER, PLAIN, BadRequest
from tests.service.bad_requests import PRICED as PRICED_SERVICE
from tests.service.bad_table import ROWS
from tests.service.deliveries import SECRET
from tests.service.request_bodies import HISTORY, valid

NUM_GOOD = 31
MAX_DIFFERENCE = 1e-5
MAX_BYTES, FREE_BYTES = 16 << 10, 2 << 10
LEAKS = ("Traceback", 'File "', "site-packages", ".py", MARKER)
CONTROL = (sys.executable, "-m", "benchmarks.reliability.launcher", "--sabotage", "echo")
_LONG_TEXT = 24
_OTHER = "days"  # the second model of the homes that have two

Row = BadRequest | BadBytes


@dataclass
class Found:
    """How many rows went through a position, and what was wrong with which."""

    num_rows: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def homes() -> Iterator[dict[str, Path]]:
    """Gives the homes of the services that rows are sent to, by their names."""
    priced = TINY.model_copy(update={"covariates": PRICED})
    with home_with_model() as home, home_with_model(config=priced) as other:
        register_untrained(home, _OTHER)
        bad_headers.write_keys(home)
        yield {PLAIN: home, LOCKED: home, PRICED_SERVICE: other}


@contextmanager
def services(found: Mapping[str, Path], command: tuple[str, ...] = ()) -> Iterator[dict[str, Serving]]:
    """Runs a service on each of these homes."""
    with ExitStack() as stack:
        running = {name: stack.enter_context(_service(home, name, command)) for name, home in found.items()}
        for name, service in running.items():
            wait_until_served(service, {MODEL} if name == PRICED_SERVICE else {MODEL, _OTHER})
        yield running


def _service(home: Path, name: str, command: tuple[str, ...]) -> AbstractContextManager[Serving]:
    limits: dict[str, Any] = {
        "max_series": 8,
        "max_points": 20_000,
        "max_body_bytes": 1 << 20,
        "max_auth_failures": 1_000_000,
        "timegpt_models": MODEL,  # of two that have the frequency
    }
    guards = {"authentication": True, "webhook_secret": SECRET} if name == LOCKED else {}
    return serving(home, command=command, **limits, **guards)


async def send(running: Mapping[str, Serving], row: Row) -> Exchange:
    """Sends a row to its service."""
    if isinstance(row, BadBytes):
        return await exchange(running[PLAIN].address, row.sent, hangs_up=row.hangs_up)
    sent = request_bytes(row.body, row.headers, row.method, row.path)
    return await exchange(running[row.service].address, sent)


def misanswered(row: Row, found: Exchange) -> str | None:
    """Says how an answer differs from what the table says of its row; None where it does not."""
    reply = found.first
    if reply is None or row.status is None:
        status = None if reply is None else reply.status
        return None if status == row.status else f"{row.what}: {status} for {row.status}"
    wanted = (row.status, row.code)
    problem = json.loads(reply.body) if reply.headers.get("content-type") == MEDIA_TYPE and reply.body else {}
    is_head = isinstance(row, BadRequest) and row.method == "HEAD"
    got = (reply.status, row.code if is_head else problem.get("code", ""))
    if got != wanted:
        return f"{row.what}: {got} for {wanted}"
    fields = problem.get("errors", [{"field": ""}])
    if isinstance(row, BadRequest) and row.field and fields[0]["field"] != row.field:
        return f"{row.what}: field {fields[0]['field']} for {row.field}"
    return None


def given_away(row: Row, reply: Reply) -> str | None:
    """Says what a problem gives away, or whether it is too long; None where it is as it should be."""
    if reply.status < 400:
        return None
    sent = row.sent if isinstance(row, BadBytes) else request_bytes(row.body, row.headers, row.method, row.path)
    if len(reply.body) > min(MAX_BYTES, 2 * len(sent) + FREE_BYTES):
        return f"{row.what}: {len(reply.body)} bytes for {len(sent)}"
    text = reply.body.decode()
    texts = [one for one in _texts_in(row) if len(one) >= _LONG_TEXT]
    leaks = [leak for leak in (*LEAKS, *texts) if leak in text]
    return f"{row.what}: gives away {leaks[0][:40]!r}" if leaks else None


def _texts_in(row: Row) -> list[str]:
    """Gives the texts, other than names of fields, in the document of a row."""
    try:
        document = json.loads(row.body) if isinstance(row, BadRequest) else None
    except (ValueError, RecursionError):
        return []
    found, left = [], [document]
    while left:
        one = left.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            left += one.values()
    return found


def good_requests() -> list[bytes]:
    """Gives valid requests, each for another series."""
    bodies = []
    for number in range(NUM_GOOD):
        target = [value * (number + 1) for value in HISTORY]
        bodies.append(valid(series=[{"id": f"good{number}", "start": "2024-01-01T00:00:00", "target": target}]))
    return [request_bytes(json.dumps(body).encode(), [("Content-Type", "application/json")]) for body in bodies]


def values_of(found: Exchange) -> FloatArray | None:
    """Gives the quantiles of a reply; None where there are none."""
    if found.first is None or found.first.status != 200:
        return None
    quantiles = json.loads(found.first.body)["forecasts"][0]["quantiles"]
    return np.array(list(quantiles.values()), dtype=np.float64)


async def run(running: Mapping[str, Serving], rows: Sequence[Row]) -> dict[str, Found]:
    """Sends each row in the three positions."""
    alone, company, away = Found(), Found(), Found()
    plain, requests = running[PLAIN].address, good_requests()
    expected = [values_of(await exchange(plain, one)) for one in requests]
    for row in rows:
        found = await send(running, row)
        _note(alone, misanswered(row, found))
        if found.first is not None:
            _note(away, given_away(row, found.first))
        beside, *good = await asyncio.gather(send(running, row), *(exchange(plain, one) for one in requests))
        _note(company, misanswered(row, beside) or _differing(row, expected, [values_of(one) for one in good]))
    return {"alone": alone, "in_company": company, "given_away": away}


def _note(found: Found, wrong: str | None) -> None:
    found.num_rows += 1
    if wrong is not None:
        found.wrong.append(wrong)


def _differing(row: Row, expected: Sequence[FloatArray | None], got: Sequence[FloatArray | None]) -> str | None:
    for number, (one, other) in enumerate(zip(expected, got, strict=True)):
        assert one is not None, "good requests are answered"
        if other is None or not np.allclose(other, one, rtol=MAX_DIFFERENCE, atol=0):
            return f"{row.what}: the good request {number} beside it is answered otherwise"
    return None


def measure(rows: Sequence[Row] = ROWS, control_rows: int = 100) -> dict[str, object]:
    """Runs the table, and the control on a part of it."""
    refused = [row for row in ROWS if row.code == "invalid-fields" and getattr(row, "service", "") == PLAIN]
    with homes() as places:
        with services(places) as running:
            found = asyncio.run(run(running, rows))
        with services({PLAIN: places[PLAIN]}, CONTROL) as running:
            control = asyncio.run(run(running, refused[:control_rows]))
    return {
        "rows": len(rows),
        "good_requests_beside_each": NUM_GOOD,
        **{f"{position}_sent": one.num_rows for position, one in found.items()},
        **{f"{position}_wrong": one.wrong for position, one in found.items()},
        "control_rows": control["given_away"].num_rows,
        "control_given_away": len(control["given_away"].wrong),
    }


def main() -> None:
    """Prints the record; --short sends every eighth row."""
    run_command(
        "poison",
        __doc__,
        lambda short: measure(ROWS[::8] if short else ROWS),
        ["uvicorn", "httptools", "uvloop", "orjson", "pydantic"],
    )


if __name__ == "__main__":
    main()
