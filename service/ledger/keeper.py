"""The keeper: moves what the journal holds into the database. A process of its own, one for each folder.

    python -m service.ledger.keeper < PIPE      a line of JSON, see `orders.py`

It reads files of the journal while they are written, and deletes those that are done with. It ends when the worker
that started it closes the pipe, or dies: once nothing is left, or the database is down. Another worker then starts
another one. Killed in the middle it begins a file anew, and what is in the database already stays as it is. While the
database is down the journal grows. An entry that cannot be kept at all is put aside and told of, and holds up no other.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from forecaster.errors import LedgerError, LedgerUnavailableError
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.records import Given
from forecaster.ledger.upgrade import upgrade
from service.ledger.chores import Chores
from service.ledger.entries import read_entry
from service.ledger.journal import Entry, entries, is_being_written, segments
from service.ledger.orders import JOURNAL, LOCK, Orders
from service.telemetry.logs import configure_logging

log = logging.getLogger("service.ledger.keeper")

REJECTED = "rejected"

_AT_ONCE = 100  # entries of one transaction
# Between looks at the journal, also while much comes in: a transaction costs as much as ten entries do.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_MOST_DOUBLINGS = 10  # of the pause, which is the longest by then
_NICENESS = 19  # answers come first


class Keeper:
    """Moves entries from one folder into one database."""

    def __init__(self, folder: Path, ledger: Ledger, days: float, *, adapts: bool = False) -> None:
        """`days` is how long forecasts and values are kept, `adapts` whether factors are made of them."""
        self.chores = Chores(folder, ledger, days, adapts=adapts)
        self._folder = folder
        self._ledger = ledger
        self._read: dict[str, int] = {}  # bytes of each file that are in the database, by its name without suffix

    def move(self) -> int:
        """Moves all entries that are there, and gives how many; LedgerUnavailableError where the database is down."""
        return sum(self._move_file(path) for path in segments(self._folder / JOURNAL))

    def _move_file(self, path: Path) -> int:
        is_finished = not is_being_written(path)  # looked up first: nothing is appended after that
        number = 0
        try:
            left = entries(path, self._read.get(path.stem, 0))
            while batch := list(islice(left, _AT_ONCE)):
                self._keep(batch)
                self._read[path.stem] = batch[-1].end
                number += len(batch)
        except FileNotFoundError:  # renamed: it is read at the next turn
            return number
        if is_finished:
            self._put_aside_rest(path, self._read.pop(path.stem, 0))
            path.unlink()
        return number

    def _put_aside_rest(self, path: Path, begin: int) -> None:
        """Puts aside what follows the last whole entry: one that a killed worker did not finish, or damage."""
        with path.open("rb") as file:
            file.seek(begin)
            if rest := file.read():
                self._put_aside(rest, f"{len(rest)} bytes at the end of {path.name} are no entry")

    def _keep(self, batch: list[Entry]) -> None:
        """Adds entries at once, or where one of them spoils that each by itself."""
        try:
            self._add(batch)
        except LedgerUnavailableError:
            raise
        except Exception:  # noqa: BLE001 - of what a damaged entry may hold
            for entry in batch:
                self._keep_alone(entry)

    def _keep_alone(self, entry: Entry) -> None:
        try:
            self._add([entry])
        except LedgerUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            self._put_aside(entry.head + b"\n" + entry.rest, f"{type(error).__name__}: {error}"[:200])

    def _put_aside(self, spoiled: bytes, reason: str) -> None:
        rejected = self._folder / REJECTED
        rejected.mkdir(exist_ok=True, mode=0o700)
        (rejected / f"{time.time_ns()}.entry").write_bytes(spoiled)
        log.error("entry_rejected", extra={"fields": {"reason": reason}})

    def _add(self, batch: list[Entry]) -> None:
        read = [read_entry(entry) for entry in batch]
        given = [one for one in read if isinstance(one, Given)]
        observed = [value for one in read if not isinstance(one, Given) for value in one]
        self.chores.note(self._ledger.add(given, observed))


def main() -> None:
    """Keeps the ledger that its orders name; ends at once where another process does."""
    orders = Orders.read(sys.stdin.readline())
    folder = Path(orders.folder)
    configure_logging()
    os.nice(_NICENESS)
    with _alone(folder) as is_alone:
        if is_alone:
            keep(folder, orders)


def keep(folder: Path, orders: Orders) -> None:
    """Moves entries until the pipe ends, and then what is left without a pause."""
    keeper: Keeper | None = None
    num_failures = 0
    while True:
        is_last = _has_ended(within_seconds=0)  # looked up first: that worker writes nothing after it
        num_moved = 0
        try:
            keeper = keeper or Keeper(folder, _opened(orders.url), orders.days, adapts=orders.adapts)
            num_moved = keeper.move()
            _do(keeper.chores)
            num_failures = 0
        except LedgerUnavailableError as error:
            num_failures += 1
            log.warning("ledger_unavailable", extra={"fields": {"reason": str(error)}})
        if is_last and not num_moved:
            return
        _has_ended(min(_LONGEST_PAUSE_SECONDS, _PAUSE_SECONDS * 2.0 ** min(num_failures, _MOST_DOUBLINGS)))


def _do(chores: Chores) -> None:
    """Does the chores that are due; one that the database refuses holds up neither entries nor, for long, others."""
    try:
        chores.do()
    except LedgerUnavailableError:
        raise
    except LedgerError as error:
        log.error("chore_failed", extra={"fields": {"reason": str(error)}})


def _opened(url: str) -> Ledger:
    ledger = Ledger(url)
    upgrade(ledger)
    return ledger


def _has_ended(within_seconds: float) -> bool:
    """Says whether the pipe has ended, or does so in that time."""
    readable, _, _ = select.select([sys.stdin], [], [], within_seconds)
    return bool(readable)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Says whether this is the only keeper of a folder, which it is until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


if __name__ == "__main__":
    main()
