"""Requests made at random: none may break, leak, stall or reach through the service (T7).

schemathesis  cases that the document of the interface allows, and such as it forbids, over all of its routes
grammar       valid forecast requests, spoiled (`grammar.py`)
tables        Arrow IPC streams and Parquet files, spoiled (`table_cases.py`)
raw           bytes of whole requests, spoiled

All of it goes over HTTP to a process under an audit hook (`launcher.py`); what each reply has to keep is in
`verdicts.py`. The controls are services that crash on an id, start a program, answer NaN and leave out a
field: each has to be noticed.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.reliability.command import run_command
from benchmarks.reliability.exchange import Exchange, exchange
from benchmarks.reliability.grammar import forecast_cases, raw_cases
from benchmarks.reliability.launcher import ARMED, REPORT
from benchmarks.reliability.serving import (
    ROOT,
    TINY,
    Serving,
    home_with_model,
    register_untrained,
    serving,
)
from benchmarks.reliability.table_cases import table_cases
from benchmarks.reliability.verdicts import MAX_SECONDS, faults_of
from benchmarks.reliability.warming import warm
from service.openapi import FORECAST
from tests.pipelines.factories import PRICED
from tests.service.bad_headers import WIDE, write_keys

LAUNCHER = (sys.executable, "-m", "benchmarks.reliability.launcher")
# Services that are broken on purpose, and by what each breach is noticed: those of one service by different faults.
CONTROLS = (
    {"crash": "status 500", "run-program": "audit subprocess.Popen", "not-finite": "a forecast of another schema"},
    {"undeclared": "a forecast of another schema"},
)
_SETTINGS: dict[str, Any] = {
    "header_seconds": 3.0,
    "body_seconds": 3.0,
    "keep_alive_seconds": 3,
    "max_points": 50_000,
    "max_body_bytes": 1 << 20,
}
_EDGE_STATUSES = frozenset({200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 429, 431, 503, 504})
_AT_ONCE, _RAW_AT_ONCE = 4, 64
_NUM_RETRIES = 2
_SCHEMA_SECONDS = 7_200.0  # making a case of a wide schema takes it tens of milliseconds
_CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Amount:
    """How many cases of each kind; of schemathesis for each route."""

    num_grammar: int
    num_raw: int
    num_schemathesis: int
    num_tables: int
    seed: int = 0


FULL = Amount(20_000, 5_000, 800, 10_000)  # of schemathesis, beside some 6,500 corner cases
SHORT = Amount(600, 250, 8, 300)
CONTROL = Amount(400, 0, 0, 0)


@dataclass
class Tally:
    """What many exchanges came to."""

    num_cases: int = 0
    slowest_seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)  # by fault, the beginning of the bytes that led to it

    def add(self, sent: bytes, found: Exchange, faults: Iterable[str]) -> None:
        """Counts an exchange."""
        self.num_cases += 1
        self.slowest_seconds = max(self.slowest_seconds, found.seconds)
        self.statuses.update([str(reply.status) for reply in found.replies] or ["closed"])
        for fault in faults:
            self.faults[fault] += 1
            self.first.setdefault(fault, repr(sent)[:1500])


async def fuzz_forecasts(service: Serving, cases: Iterator[bytes], declared: frozenset[int]) -> Tally:
    """Sends cases each of which has one reply, within a second."""

    async def one(sent: bytes) -> tuple[Exchange, list[str]]:
        found = await exchange(service.address, sent)
        for _ in range(_NUM_RETRIES):  # where the machine was slow, and not the case, it is not slow again
            if found.seconds > MAX_SECONDS:
                found = await exchange(service.address, sent)
        faults = faults_of(found, len(sent), declared)
        faults += [] if len(found.replies) == 1 else [f"{len(found.replies)} replies"]
        return found, faults + ([f"more than {MAX_SECONDS:g} s"] if found.seconds > MAX_SECONDS else [])

    return await _each(cases, one, _AT_ONCE)


async def fuzz_bytes(service: Serving, amount: Amount) -> Tally:
    """Sends spoiled bytes. What never gets to its end is closed when its time is over, with or without a word."""

    async def one(sent: bytes) -> tuple[Exchange, list[str]]:
        found = await exchange(service.address, sent)
        return found, faults_of(found, len(sent), _EDGE_STATUSES)

    return await _each(raw_cases(amount.num_raw, WIDE, amount.seed), one, _RAW_AT_ONCE)


async def _each(
    cases: Iterator[bytes], ask: Callable[[bytes], Awaitable[tuple[Exchange, list[str]]]], at_once: int
) -> Tally:
    tally = Tally()

    async def work() -> None:
        for sent in cases:  # shared: each case is taken once
            tally.add(sent, *await ask(sent))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return tally


def fuzz_by_schema(service: Serving, amount: Amount, folder: Path) -> dict[str, Any]:
    """Runs schemathesis on the service's own document; gives its number of cases, its failures and its output."""
    report = folder / "schemathesis.json"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_CONFIG), "run"),
        *(f"{service.url}/openapi.json", "--header", f"Authorization: Bearer {WIDE}", "--no-color"),
        *("--max-examples", str(amount.num_schemathesis), "--seed", str(amount.seed), "--mode", "all", "--no-shrink"),
        *("--checks", "all", "--max-response-time", str(MAX_SECONDS), "--continue-on-failure", "--workers", "2"),
        *("--report", "json", "--report-json-path", str(report), "--suppress-health-check", "all"),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "benchmarks.reliability.schemathesis_hooks",
    }
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SCHEMA_SECONDS, check=False
    )
    return {
        "exit": ran.returncode,
        "output": (ran.stdout[-6000:] + ran.stderr[-2000:]).replace(f"{folder}/", ""),
        "report": json.loads(report.read_text()),
    }


@contextmanager
def watched(home: Path, *sabotages: str) -> Iterator[Serving]:
    """Runs the service under the audit hook, warm and armed."""
    command = (*LAUNCHER, *(word for name in sabotages for word in ("--sabotage", name)))
    (home / ARMED).unlink(missing_ok=True)
    (home / REPORT).unlink(missing_ok=True)
    with serving(
        home, command=command, **_SETTINGS, max_auth_failures=1_000_000, authentication=not sabotages
    ) as service:
        warm(service)
        (home / ARMED).touch()
        yield service


def audit_of(home: Path) -> dict[str, Any]:
    """Gives what the audit hook counted, once the process has ended."""
    found: dict[str, Any] = json.loads((home / REPORT).read_text())
    return found


def declared_statuses(service: Serving) -> frozenset[int]:
    """Gives the statuses that the service's document declares for forecasts."""
    document = httpx.get(f"{service.url}/openapi.json").json()
    return frozenset(int(status) for status in document["paths"][FORECAST]["post"]["responses"])


def attack(home: Path, amount: Amount, *sabotages: str) -> dict[str, Any]:
    """Runs all kinds on one service; gives what was found, and what its log and the audit hook say."""
    with watched(home, *sabotages) as service:
        declared = declared_statuses(service)
        grammar, tables = (
            asyncio.run(fuzz_forecasts(service, cases, declared))
            for cases in (
                forecast_cases(amount.num_grammar, WIDE, amount.seed),
                table_cases(amount.num_tables, WIDE, amount.seed),
            )
        )
        raw = asyncio.run(fuzz_bytes(service, amount))
        schema = fuzz_by_schema(service, amount, home) if amount.num_schemathesis else None
        log = service.log
    audit = audit_of(home)
    faults = Counter({f"audit {event}": count for event, count in audit["counts"].items()})
    faults.update(grammar.faults + tables.faults + raw.faults)
    faults["unexpected exceptions in the log"] += log.read_text().count('"application_failed"')
    return {"grammar": grammar, "tables": tables, "raw": raw, "schema": schema, "faults": +faults, "audit": audit}


def measure(amount: Amount) -> dict[str, object]:
    """Attacks the service, and the controls with a part of it."""
    with home_with_model() as home:
        register_untrained(home, "priced", TINY.model_copy(update={"covariates": PRICED}))
        write_keys(home)
        found = attack(home, amount)
        broken = [(control, attack(home, CONTROL, *control)["faults"]) for control in CONTROLS]
    noticed = {name: faults.get(fault, 0) for control, faults in broken for name, fault in control.items()}
    grammar, tables, raw, schema = (found[kind] for kind in ("grammar", "tables", "raw", "schema"))
    return {
        "grammar_cases": grammar.num_cases,
        "grammar_statuses": dict(sorted(grammar.statuses.items())),
        "grammar_slowest_seconds": round(grammar.slowest_seconds, 3),
        "table_cases": tables.num_cases,
        "table_statuses": dict(sorted(tables.statuses.items())),
        "table_slowest_seconds": round(tables.slowest_seconds, 3),
        "raw_cases": raw.num_cases,
        "raw_statuses": dict(sorted(raw.statuses.items())),
        "schemathesis": _summary(schema),
        "faults": dict(found["faults"]),
        "first_of_each_fault": {**grammar.first, **tables.first, **raw.first, **found["audit"]["first"]},
        "control_noticed": noticed,
    }


def _summary(schema: dict[str, Any] | None) -> dict[str, object] | None:
    if schema is None:
        return None
    report = schema["report"]
    return {
        "exit": schema["exit"],
        "cases": report["test_cases"]["generated"],
        "cases_that_failed": report["test_cases"]["with_failures"],
        "seconds": round(report["running_time"]),
        "phases": {name: phase["status"] for name, phase in report["phases"].items()},
        "output": schema["output"][-4000:] if schema["exit"] else "",
    }


def main() -> None:
    """Prints the record; --short sends 600, 300, 250 and 7,000 cases for 20,000, 10,000, 5,000 and more than 20,000."""
    sys.setrecursionlimit(10_000)  # some documents are nested 1,600 deep
    run_command(
        "fuzz",
        __doc__,
        lambda short: measure(SHORT if short else FULL),
        ["schemathesis", "hypothesis", "uvicorn", "httptools", "orjson", "pydantic"],
    )


if __name__ == "__main__":
    main()
