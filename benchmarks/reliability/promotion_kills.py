"""SIGKILL before every call of the system that a promotion and a roll back make: is anything left half done?

A process promotes version 3 in the place of 2, or rolls back from 2 to 1, and is killed before one call after the
other. What is found then has to be the state of before or the new one; whoever comes next has to finish what was begun,
without delay; and the same call once more has to come to the new state with one move in the history, not two. The
control tells the registry before it writes the history.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability.command import run_command
from benchmarks.reliability.promotion_home import MODEL, Home, asked, home_with_versions, is_linear
from benchmarks.reliability.tracer import begin_here, killed_at
from forecaster.ledger.promotions import Kind, Move
from pipelines import registry
from pipelines.errors import RegistryError
from pipelines.promotion.champions import Cause, Champions, State
from pipelines.promotion.settling import Next
from pipelines.registry import Version
from tests.stack.servers import postgres

_OLD, _BEFORE, _NEW = 2, 1, 3
_WHY = Cause("measurement")


class Careless(Champions):
    """Tells the registry first."""

    def _made(self, model: str, choose: Callable[[State], Next], cause: Cause) -> Move:
        with self._held(model) as (_, state):
            chosen = choose(state)
            registry.point(self._client, model, registry.PREVIOUS, chosen.previous)
            registry.point(self._client, model, registry.CHAMPION, chosen.version)
        return super()._made(model, lambda _: chosen, cause)


@dataclass(frozen=True)
class Operation:
    """What is done, and who is champion after it."""

    name: str
    champion: int
    do: Callable[[Champions], Move]


OPERATIONS = (
    Operation("promote", _NEW, lambda door: door.replace(_version(_NEW), _version(_OLD), _WHY)),
    Operation("roll back", _BEFORE, lambda door: door.roll_back(MODEL, _WHY)),
)


def _version(number: int) -> Version:
    return Version(MODEL, number)


def prepare(home: Home) -> list[int]:
    """Makes version 2 the champion after 1, and 3 the challenger."""
    door = Champions(home.client, home.ledger)
    for number in (_BEFORE, _OLD):
        door.move(_version(number), Cause("before"))
    registry.point(home.client, MODEL, registry.CHALLENGER, _NEW)
    return [move.generation for move in home.history()]


def operate(home: Home, operation: Operation, door_of: type[Champions]) -> None:
    """Does it, from a point where everything is open and known."""
    door = door_of(home.client, home.ledger)
    door.settle(MODEL)
    begin_here()
    operation.do(door)


def restore(home: Home, pristine: Path) -> None:
    """Brings everything back to where it was before."""
    asked(partial(home.forget, 2))
    for ending in ("-journal", "-wal", "-shm"):
        Path(f"{home.registry_file}{ending}").unlink(missing_ok=True)
    shutil.copyfile(pristine, home.registry_file)


def look(home: Home, operation: Operation) -> dict[str, Any]:
    """Says what was found after a kill, in which state it was, and what is wrong with it."""
    champion, before = home.champion(), home.history()
    begun = time.monotonic()
    door = Champions(home.client, home.ledger)
    settled = door.settle(MODEL)
    seconds = time.monotonic() - begun
    is_new = len(before) == 3
    wrong = {
        "neither old nor new": champion not in (_OLD, operation.champion),
        "not finished": settled.number != (operation.champion if is_new else _OLD),
        "not told": settled.aliases.get(registry.CHAMPION) != settled.number,
        "not noted": settled.last is None or settled.last.written is None,
    }
    with suppress(RegistryError):  # it is done already
        operation.do(door)
    after = home.history()
    wrong |= {
        "not done by the next": home.champion() != operation.champion,
        "not linear": not is_linear(after),
        "not once": len(after) != 3,
        "found": any(move.kind == Kind.FOUND for move in after),
    }
    half = "half done" if is_new and before[-1].written is None else "done" if is_new else "not begun"
    return {"state": half, "seconds": seconds, "wrong": [name for name, is_so in wrong.items() if is_so]}


def killed(home: Home, operation: Operation, stride: int, door_of: type[Champions] = Champions) -> dict[str, Any]:
    """Kills an operation before each call, or before every so many and the last; gives what was found."""
    pristine = home.registry_file.with_suffix(".pristine")
    if not pristine.exists():
        assert asked(partial(prepare, home)) == [1, 2]
        shutil.copyfile(home.registry_file, pristine)
    states, wrong, longest, number, latest = Counter[str](), Counter[str](), 0.0, 1, 0
    while latest < number:
        restore(home, pristine)
        reached = killed_at(partial(operate, home, operation, door_of), number)
        if reached < number:  # it has ended: the last call is the one it came to, which a stride may have stepped over
            number = reached
            continue
        found = asked(partial(look, home, operation))
        states[found["state"]] += 1
        wrong.update(found["wrong"])
        longest = max(longest, found["seconds"])
        number, latest = number + stride, number
    return {
        "points": sum(states.values()),
        "states": dict(states),
        "wrong": dict(wrong),
        "longest_until_next_seconds": round(longest, 2),
    }


def measure(stride: int, ledgers: tuple[str, ...] = ("sqlite", "postgres")) -> dict[str, Any]:
    """Kills both operations on each kind of ledger, and the control."""
    found: dict[str, Any] = {}
    for ledger in ledgers:
        with ExitStack() as stack:
            url = ""
            if ledger == "postgres":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-"))
                url = stack.enter_context(postgres(Path(folder)))
            home = stack.enter_context(home_with_versions(3, url))
            found[ledger] = {one.name: killed(home, one, stride) for one in OPERATIONS}
            if ledger == "sqlite":
                found["control"] = killed(home, OPERATIONS[0], stride, Careless)
    return found


def main() -> None:
    """Prints the record; --short kills before every 97th call, and the last, instead of each."""
    run_command("promotion_kills", __doc__, lambda short: measure(97 if short else 1), ("mlflow", "sqlalchemy"))


if __name__ == "__main__":
    main()
