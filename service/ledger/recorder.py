"""What a worker has to do with the ledger: it appends to the journal, and sees to it that somebody empties that.

Nothing here waits for the database. A forecast gets its id before it is written down, and is answered with it only once
it stands in the journal; where that is full or cannot be written, it is answered without one.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from forecaster.ledger.ids import new_id
from forecaster.ledger.records import Given, Observed
from service.errors import LedgerFull
from service.ledger.entries import forecast_entry, observed_entry
from service.ledger.journal import Journal, JournalFull, Parts, segments
from service.ledger.orders import JOURNAL, LEDGER, LOCK, Orders
from service.ledger.together import Together
from service.settings import Settings

log = logging.getLogger("service.ledger.recorder")

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]*)")
_LOOK_SECONDS = 2.0  # between looks for a keeper, while entries come
_ATTENDING_SECONDS = 60.0  # and while none come
_TELL_SECONDS = 10.0  # between warnings
_ENDING_SECONDS = 5.0


class Recorder:
    """Records for one application. `lost` is told of each forecast that could not be recorded, by the reason."""

    def __init__(self, settings: Settings, lost: Callable[[str], None] = lambda _: None) -> None:
        self._share = settings.ledger_share
        self._folder = settings.home / LEDGER
        self._orders = Orders(
            str(self._folder.absolute()), settings.resolved_ledger_url(), settings.ledger_days, settings.adapt != "off"
        )
        self._journal = Journal(self._folder / JOURNAL, settings.ledger_journal_bytes)
        self._together = Together(self._append)
        self._one_at_a_time = threading.Lock()  # large replies, and values, come from threads beside the event loop
        self._lost = lost
        self._keeper: subprocess.Popen[bytes] | None = None
        self._look_due = self._tell_due = 0.0  # of the monotonic clock

    async def attend(self) -> None:
        """Has a keeper at work wherever there may be something to keep, until it is cancelled.

        What is written down here has one at once. But an earlier process may have left entries in the journal, and the
        database has jobs and forecasts of others, which somebody has to tell of and to delete when they are too old.
        """
        while True:
            if segments(self._folder / JOURNAL) or self._may_have_tables():
                await asyncio.to_thread(self._attended)
            await asyncio.sleep(_ATTENDING_SECONDS)

    def _may_have_tables(self) -> bool:
        file = _SQLITE.match(self._orders.url)
        return file is None or Path(file[1]).exists()

    def _attended(self) -> None:
        with self._one_at_a_time:
            self._see_to_a_keeper()

    def forecast_id(self) -> str | None:
        """Gives an id for a forecast that is to be recorded, None for one that is not. They ascend with time."""
        if self._share < 1 and random.random() >= self._share:  # noqa: S311 - a sample
            return None
        return new_id()

    def record(self, given: Given) -> bool:
        """Writes a forecast down; False where that cannot be."""
        try:
            self._append([forecast_entry(given)])
        except (JournalFull, OSError) as error:
            self._tell(error)
            return False
        return True

    async def record_together(self, given: Given) -> bool:
        """Writes a forecast down with those that are ready at the same time; False where that cannot be."""
        try:
            await self._together.written(forecast_entry(given))
        except (JournalFull, OSError) as error:
            self._tell(error)
            return False
        return True

    def record_observed(self, values: list[Observed]) -> None:
        """Writes values down. Raises LedgerFull where that cannot be."""
        try:
            self._append([observed_entry(values)])
        except (JournalFull, OSError) as error:
            raise LedgerFull("the values could not be written down, try again later") from error

    def close(self) -> None:
        """Ends the journal of this worker, and its keeper once that has moved what is left."""
        with self._one_at_a_time:
            self._journal.close()
            self._let_go()

    def _append(self, entries: Sequence[Parts]) -> None:
        with self._one_at_a_time:
            self._journal.append_all(entries)
            if time.monotonic() >= self._look_due:
                self._look_due = time.monotonic() + _LOOK_SECONDS
                self._see_to_a_keeper()

    def _see_to_a_keeper(self) -> None:
        """Starts a keeper where none is at work; of several that start at once, one stays."""
        if (self._keeper is not None and self._keeper.poll() is None) or _is_locked(self._folder / LOCK):
            return
        self._let_go()
        try:
            self._keeper = subprocess.Popen(  # noqa: S603 - a command of ours alone
                command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            log.warning("keeper_not_started", extra={"fields": {"reason": str(error)}})
            return
        with suppress(BrokenPipeError):  # it ended at once, since another one is at work
            self._pipe.write(self._orders.write().encode())
            self._pipe.flush()

    @property
    def _pipe(self) -> IO[bytes]:
        """What the keeper reads; it ends with it."""
        return cast(IO[bytes], cast(subprocess.Popen[bytes], self._keeper).stdin)

    def _let_go(self) -> None:
        """Ends the keeper that this worker started, and waits a little for that."""
        if self._keeper is not None:
            with suppress(BrokenPipeError, subprocess.TimeoutExpired):
                self._pipe.close()
                self._keeper.wait(_ENDING_SECONDS)
            self._keeper = None

    def _tell(self, error: Exception) -> None:
        reason = "full" if isinstance(error, JournalFull) else "not-written"
        self._lost(reason)
        if time.monotonic() >= self._tell_due:
            self._tell_due = time.monotonic() + _TELL_SECONDS
            log.warning("forecasts_not_recorded", extra={"fields": {"reason": reason, "error": str(error)}})


def command() -> list[str]:
    """Gives the command of a keeper."""
    return [sys.executable, "-m", "service.ledger.keeper"]


def _is_locked(path: Path) -> bool:
    """Says whether a keeper is at work; where nobody may look one is taken to be, as what is written lies safe."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
