"""Processes race to promote, and some are killed: is a promotion lost, made twice, or seen to be taken back?

Each of eight processes looks who is champion and promotes a version of its own in its place, 200 times over, without a
pause but the one of a comparison. Each attempt leaves its name as the reason. In the end the history has to be linear,
with each promotion that a process was told of once in it, and nothing that nobody tried. A reader that looks at the
alias all the time must see champions in the order of the history. The control has no lock.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from benchmarks.reliability.command import run_command
from benchmarks.reliability.promotion_home import MODEL, Home, asked, forked, home_with_versions, is_linear
from forecaster.errors import ForecasterError
from forecaster.ledger import promotions
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Move
from pipelines.errors import RegistryError
from pipelines.promotion.champions import Cause, Champions
from pipelines.registry import Version
from tests.stack.servers import postgres

_PER_PROCESS = 4  # versions of its own
_COMPARISON_SECONDS = 0.01
_KILL_SECONDS = 0.5
_READER = "reader"


@dataclass(frozen=True)
class Size:
    """How many processes try how often, and how many of them are killed meanwhile."""

    num_processes: int
    num_rounds: int
    num_kills: int

    @property
    def num_versions(self) -> int:
        """Versions in the registry."""
        return _PER_PROCESS * self.num_processes


FULL, SHORT = Size(8, 200, 100), Size(4, 6, 3)


@dataclass(frozen=True)
class Log:
    """What processes say; a line is written by one call, so that it outlives whoever is killed after it."""

    path: Path

    def say(self, *words: object) -> None:
        """Adds a line."""
        line = " ".join(map(str, words)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    def lines(self) -> list[list[str]]:
        """Gives the words of each line."""
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []


def race(home: Home, log: Log, number: int, num_rounds: int) -> None:
    """Tries to promote as often as is left of its rounds."""
    begun = sum(words[:2] == ["try", str(number)] for words in log.lines())
    draw = random.Random(f"{number} {begun}")  # noqa: S311 - moments, no secrets
    door = Champions(home.client, home.ledger)
    mine = [Version(MODEL, _PER_PROCESS * number + one + 1) for one in range(_PER_PROCESS)]
    for attempt in range(begun, num_rounds):
        name = f"{number}/{attempt}"
        log.say("try", number, name)
        try:
            champion = door.settle(MODEL).champion
            time.sleep(draw.uniform(0, _COMPARISON_SECONDS))
            move = door.replace(draw.choice([one for one in mine if one != champion]), champion, Cause(name))
        except ForecasterError as error:
            refused = isinstance(error, RegistryError) and error.code == "champion-moved"
            log.say("refused" if refused else "failed", number, name, error.code)
        else:
            log.say("promoted", number, name, move.generation)


def read(home: Home, log: Log) -> None:
    """Notes each change of the champion that a reader sees, until it is killed."""
    last = None
    while True:
        now = home.champion()
        if now != last and now is not None:
            log.say(_READER, now)
        last = now
        time.sleep(0.002)


def raced(home: Home, size: Size) -> dict[str, Any]:
    """Lets all of them race, kills some, and judges what is left."""
    log = Log(home.environment.home / "race.log")
    reader = forked(partial(read, home, log))
    begun = time.monotonic()
    num_kills = _raced(home, log, size)
    seconds = time.monotonic() - begun
    os.kill(reader, signal.SIGKILL)
    os.waitpid(reader, 0)
    return {"kills": num_kills, "seconds": round(seconds), **asked(partial(judged, home, log, num_kills))}


def _raced(home: Home, log: Log, size: Size) -> int:
    """Runs until all rounds are tried; one that is killed is followed by another that goes on."""
    draw, num_kills = random.Random(0), 0  # noqa: S311
    begin = {number: partial(race, home, log, number, size.num_rounds) for number in range(size.num_processes)}
    running = {forked(task): number for number, task in begin.items()}
    total = size.num_processes * size.num_rounds
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            number = running.pop(pid)
            if os.WIFSIGNALED(status):
                running[forked(begin[number])] = number
            else:
                assert os.waitstatus_to_exitcode(status) == 0, f"process {number} failed"
        elif num_kills < size.num_kills * _share_tried(log, total):
            time.sleep(draw.uniform(0, _KILL_SECONDS))  # or it would always be the beginning of somebody's attempt
            os.kill(draw.choice(sorted(running)), signal.SIGKILL)
            num_kills += 1
        time.sleep(0.005)
    return num_kills


def _share_tried(log: Log, total: int) -> float:
    return sum(words[0] == "try" for words in log.lines()) / total


def judged(home: Home, log: Log, num_kills: int) -> dict[str, Any]:
    """Compares what was told, what is written, and what the reader saw."""
    settled = Champions(home.client, home.ledger).settle(MODEL)
    lines, history = log.lines(), home.history()
    told = {words[2]: int(words[3]) for words in lines if words[0] == "promoted"}
    tried = {words[2] for words in lines if words[0] == "try"}
    written = Counter(move.reason for move in history)
    seen = [int(words[1]) for words in lines if words[0] == _READER]
    by_name = {move.reason: move.generation for move in history}
    return {
        "attempts": len(tried),
        "promotions": len(history),
        "told": len(told),
        "refused": sum(words[0] == "refused" for words in lines),
        "taken_over": sum(move.is_taken_over for move in history),
        "seen_by_the_reader": len(seen),
        "wrong": {
            "not_linear": int(not is_linear(history)),
            "lost": sum(by_name.get(name) != generation for name, generation in told.items()),
            "twice": sum(number - 1 for number in written.values()),
            "of_nobody": len(written.keys() - tried),
            "failed": sum(words[0] == "failed" for words in lines),
            "never_written": sum(move.written is None for move in history),
            "taken_over_from_the_living": max(0, sum(move.is_taken_over for move in history) - num_kills),
            "alias_differs": int(home.champion() != settled.number),
            "seen_taken_back": int(not _in_order(seen, history)),
        },
    }


def _in_order(seen: list[int], history: list[Move]) -> bool:
    """Says whether all that was seen is in the history, in this order."""
    versions = iter([move.version for move in history])
    return all(version in versions for version in seen)


@contextmanager
def unlocked(ledger: Ledger, _: str) -> Iterator[sa.Connection]:
    """Gives a connection that others have too: the control."""
    with ledger.engine.connect() as connection:
        yield connection


def measure(size: Size, ledgers: tuple[str, ...] = ("sqlite", "postgres")) -> dict[str, Any]:
    """Races on each kind of ledger, and without a lock."""
    found: dict[str, Any] = {"processes": size.num_processes, "rounds": size.num_rounds}
    for ledger in ledgers:
        with _home(size, ledger) as home:
            found[ledger] = raced(home, size)
    with _home(size, "sqlite") as home, patch.object(promotions, "held", unlocked):
        found["control"] = raced(home, Size(size.num_processes, min(size.num_rounds, 20), 0))
    return found


@contextmanager
def _home(size: Size, ledger: str) -> Iterator[Home]:
    with ExitStack() as stack:
        url = ""
        if ledger == "postgres":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-"))
            url = stack.enter_context(postgres(Path(folder)))
        yield stack.enter_context(home_with_versions(size.num_versions, url))


def main() -> None:
    """Prints the record; --short lets 4 processes race for 6 rounds."""
    run_command("promotion_race", __doc__, lambda short: measure(SHORT if short else FULL), ("mlflow", "sqlalchemy"))


if __name__ == "__main__":
    main()
