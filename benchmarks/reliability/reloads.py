"""Hot reload under load: dropped, mixed and wrong-version answers over promotions, failures and rollbacks (T4).

Versions have random weights of their own, so that the numbers of an answer say which of them computed it. Each is
compared with the answers that all versions were computed to give, and held against the history of the alias. Some
requests are streamed in several pieces, which one version has to give all. Then the p99 is compared with and without
one swap every few seconds, in turns. The controls serve without verification, and name the version of the end of a
request: both have to be caught.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np

from benchmarks.reliability.command import run_command
from benchmarks.reliability.history import Claim, judge, reigns_of
from benchmarks.reliability.serving import MODEL, TINY, Serving, serving, write_untrained
from benchmarks.reliability.steady import Steady, steady_load
from benchmarks.reliability.telling_answers import answers_of, body_of, claim_of, refuse_alike, requests_to, waves
from benchmarks.reliability.versions import SPOILED, Move, Versions
from benchmarks.serving.connection import Address, http_request
from forecaster.arrays import FloatArray
from forecaster.config import ModelConfig

_NUM_GOOD = 8
_PATIENCE_SECONDS, _POLL_SECONDS = 30.0, 0.02
_PACED_REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """How many moves of the alias of each kind, under how many requests a second, and how p99 is measured."""

    num_promotions: int
    num_failures: int
    num_rollbacks: int
    rate: float = 100.0
    refresh_seconds: float = 0.2
    swap_every_seconds: float = 5.0
    num_turns: int = 3
    turn_seconds: float = 40.0


FULL = Plan(100, 50, 50)
SHORT = Plan(10, 12, 4, num_turns=1, turn_seconds=10.0)


@dataclass(frozen=True)
class Registered:
    """Versions in the registry: answers [body][S Q H] and digest of each good one, and what ails each spoiled one."""

    registry: Versions
    answers: Mapping[str, tuple[FloatArray, ...]]
    digests: Mapping[str, str]
    spoiled: Mapping[str, str]


@dataclass(frozen=True)
class Moved:
    """A move of the alias, and how long it took until the service had served or refused that version."""

    kind: str
    move: Move
    seconds: float


@contextmanager
def home_with_versions() -> Iterator[tuple[Path, Registered]]:
    """Gives a home whose registry holds good and spoiled versions, the first of them champion; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="forecaster-home-") as folder:
        yield Path(folder), register_versions(Path(folder))


def register_versions(home: Path) -> Registered:
    """Registers good versions and one of each spoiled kind in a new registry."""
    registry, drafts = Versions(home, MODEL), home / "drafts"
    answers, digests = {}, {}
    for seed in range(_NUM_GOOD):
        folder = drafts / str(seed)
        digest = write_untrained(folder, seed=seed)
        version = registry.add(folder, digest)
        answers[version], digests[version] = answers_of(folder), digest
    registry.promote("1")
    spoiled = {}
    for name, spoil in SPOILED.items():
        folder = drafts / name
        shutil.copytree(drafts / "0", folder)
        version = registry.add(folder, spoil(folder, drafts / "1"))
        spoiled[version] = name
    refuse_alike(answers)
    return Registered(registry, answers, digests, spoiled)


def carry_out(service: Serving, found: Registered, plan: Plan, draw: random.Random) -> list[Moved]:
    """Moves the alias as the plan says, in random order, each time until the service has followed."""
    kinds = ["promotion"] * plan.num_promotions + ["failure"] * plan.num_failures + ["rollback"] * plan.num_rollbacks
    draw.shuffle(kinds)
    spoiled = itertools.cycle(found.spoiled)
    served = ["2", "1"]  # before, now
    moved = []
    for kind in kinds:
        version = served[-2]
        if kind == "promotion":
            version = draw.choice([one for one in found.answers if one != served[-1]])
        elif kind == "failure":
            version = next(spoiled)
        if kind != "failure":
            served.append(version)
        move = found.registry.promote(version)
        moved.append(Moved(found.spoiled.get(version, kind), move, wait_until_followed(service, version)))
    return moved


def wait_until_followed(service: Serving, version: str) -> float:
    """Waits until the service serves or has refused a version; gives the seconds. AssertionError if it never does."""
    begin = time.monotonic()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        while time.monotonic() < begin + _PATIENCE_SECONDS:
            (model,) = client.get("/v1/models").json()["models"]
            if version in (model["version"], (model["refused"] or {}).get("version")):
                return time.monotonic() - begin
            time.sleep(_POLL_SECONDS)
    raise AssertionError(f"version {version} is not followed:\n{service.log.read_text()[-4000:]}")


def reload_under_load(home: Path, found: Registered, plan: Plan, care: str | None = None) -> dict[str, object]:
    """Moves the alias under load, of the service or of one that lacks a care, and judges all answers."""
    command = (sys.executable, "-m", "benchmarks.reliability.careless", care) if care else ()
    found.registry.promote("1")
    shutil.rmtree(home / "cache", ignore_errors=True)
    with serving(home, command=command, refresh_seconds=plan.refresh_seconds, authentication=False) as service:
        wait_until_followed(service, "1")
        begin = time.monotonic()
        with steady_load(
            service.address, requests_to(service.address), plan.rate, lambda one: claim_of(one, found.answers)
        ) as steady:
            moved = carry_out(service, found, plan, random.Random(0))  # noqa: S311 - an order that can be repeated
    return _judged(steady, moved, found, begin)


def _judged(steady: Steady[Claim], moved: Sequence[Moved], found: Registered, begin: float) -> dict[str, object]:
    effective = [("1", begin, begin), *((m.move.version, m.move.begin, m.move.end) for m in moved if _is_good(m))]
    bound = max(one.seconds for one in moved)
    verdict = judge(steady.seen, reigns_of(effective), found.digests, bound)
    return {
        "reloads": len(moved),
        "kinds": dict(Counter(one.kind for one in moved)),
        "requests": steady.num_requests,
        "dropped": steady.num_errors,
        "shed": steady.num_shed,
        "errors": steady.errors,
        **asdict(verdict),
        "versions_seen": len({one.version for one in steady.seen}),
        "median_until_followed_seconds": round(float(np.median([one.seconds for one in moved])), 3),
        "longest_until_followed_seconds": round(bound, 3),
        "p99_ms": steady.percentile_ms(99),
    }


def _is_good(one: Moved) -> bool:
    return one.kind in ("promotion", "rollback")


def measure(plan: Plan) -> dict[str, object]:
    """Reloads the service and the controls under load, and compares the p99 with and without swaps."""
    with home_with_versions() as (home, found):
        ours = reload_under_load(home, found, plan)
        few = Plan(12, 12, 0, plan.rate, plan.refresh_seconds)
        unverified = reload_under_load(home, found, few, "unverified")
        unpinned = reload_under_load(home, found, few, "unpinned")
    return {
        "rate": plan.rate,
        "failing_reasons": len(SPOILED),
        **ours,
        "paced": paced(plan),
        "control_unverified": unverified,
        "control_unpinned": unpinned,
    }


def paced(plan: Plan, config: ModelConfig = TINY) -> dict[str, object]:
    """Compares the p99 without swaps and with one every few seconds, in turns."""
    with tempfile.TemporaryDirectory(prefix="forecaster-home-") as folder:
        registry = Versions(Path(folder), MODEL)
        for seed in range(2):
            bundle = Path(folder) / str(seed)
            registry.add(bundle, write_untrained(bundle, config, seed, has_graph=True))
        registry.promote("1")
        with serving(Path(folder), refresh_seconds=_PACED_REFRESH_SECONDS, authentication=False) as service:
            turns = [_turn(service, registry, plan, swaps) for _ in range(plan.num_turns) for swaps in (False, True)]
    still, swapping = turns[::2], turns[1::2]
    latencies = [[s for one in kind for s in one.latencies] for kind in (still, swapping)]
    p99 = [round(1e3 * float(np.percentile(one, 99)), 2) for one in latencies]
    return {
        "swap_every_seconds": plan.swap_every_seconds,
        "requests": [len(one) for one in latencies],
        "errors": sum(one.num_errors for one in turns),
        "shed": sum(one.num_shed for one in turns),
        "p99_ms_without_swaps": p99[0],
        "p99_ms_with_swaps": p99[1],
        "p99_ratio": round(p99[1] / p99[0], 2),
        "p99_ms_of_turns": [one.percentile_ms(99) for one in turns],
    }


def _turn(service: Serving, registry: Versions, plan: Plan, swaps: bool) -> Steady[None]:
    body = json.dumps(body_of([waves(np.random.default_rng(0))])).encode()
    request = http_request(Address(*service.address), "/v1/forecast", body)
    with steady_load(service.address, [request], plan.rate) as steady:
        end = time.monotonic() + plan.turn_seconds
        number = 0
        while time.monotonic() < end:
            if swaps:
                registry.promote(str(1 + (number + 1) % 2))
                number += 1
            time.sleep(plan.swap_every_seconds)
    if swaps:
        registry.promote("1")
        wait_until_followed(service, "1")
    return steady


def main() -> None:
    """Prints the record; --short makes 26 moves instead of 200, and one short turn of each kind."""
    run_command("reloads", __doc__, lambda short: measure(SHORT if short else FULL), ["mlflow", "uvicorn"])


if __name__ == "__main__":
    main()
