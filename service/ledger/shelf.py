"""Reading the ledger from a worker: the database, and what is still in the journal.

The database is opened, and SQLAlchemy imported, when somebody first asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import orjson

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.finetuned_names import is_finetuned
from forecaster.ledger.records import Given
from service.errors import LedgerDown, UnknownForecast
from service.ledger.asking import Asking
from service.ledger.entries import read_entry
from service.ledger.journal import entries, segments
from service.ledger.orders import JOURNAL, LEDGER
from service.settings import Settings

if TYPE_CHECKING:
    from forecaster.ledger.ledger import Kept, Ledger
    from forecaster.ledger.skill import Drift, Skill

T = TypeVar("T")


class Shelf:
    """The ledger of one application. What looks into it blocks, as a database may for long: `ask` does not."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.resolved_ledger_url()
        self._folder = settings.home / LEDGER
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._is_made = False  # its tables, by the keeper
        self._asking = Asking("ledger")

    async def ask(self, look: Callable[[Shelf], T], expires: float) -> T:
        """Gives what a look into this shelf gives until `expires`, in monotonic time; LedgerDown, DeadlineExceeded."""
        return await self._asking.answer(partial(look, self), expires)

    def forecast(self, forecast_id: str) -> Kept:
        """Gives a forecast, from the moment on at which its client has its id; UnknownForecast, LedgerDown."""
        for look in (self._in_database, self._in_journal, self._in_database):  # it may move while one looks
            found = look(forecast_id)
            if found is not None:
                return found
        raise UnknownForecast("no forecast of this id is kept: it was never given, was not kept, or is too old")

    def skill(
        self, owner: str, model: str | None, since: int | None, until: int | None, since_recent: int
    ) -> list[tuple[Skill, Drift | None]]:
        """Gives the skill of each model, version and segment, of forecasts made in [since, until), and its drift.

        Of fine-tuned models those of an owner. Raises LedgerDown.
        """

        def ask(ledger: Ledger) -> list[tuple[Skill, Drift | None]]:
            from forecaster.ledger.finetuned import Finetuned

            found = ledger.skill(model, since, until)
            drifts = ledger.drifts(since_recent, model, since, until)  # after it: no older than what it compares
            own = {one.name for one in Finetuned(ledger).of_owner(owner)}
            seen = (one for one in found if one.model in own or not is_finetuned(one.model))
            return [(one, drifts.get(one.key)) for one in seen]

        return self._answer(ask) or []

    def close(self) -> None:
        """Closes the database."""
        self._asking.close()
        if self._ledger is not None:
            self._ledger.close()

    def _in_database(self, forecast_id: str) -> Kept | None:
        return self._answer(lambda ledger: ledger.forecast(forecast_id))

    def _answer(self, ask: Callable[[Ledger], T]) -> T | None:
        """Gives what the database answers, None before the keeper has made its tables."""
        try:
            ledger = self._opened()
            self._is_made = self._is_made or ledger.is_made()
            return ask(ledger) if self._is_made else None
        except LedgerUnavailableError as error:
            raise LedgerDown(str(error)) from error
        except OSError as error:
            raise LedgerDown(f"the folder of the ledger cannot be used: {error.strerror}") from error

    def _in_journal(self, forecast_id: str) -> Kept | None:
        """Looks through what waits, the newest file first."""
        from forecaster.ledger.ledger import kept

        wanted = orjson.dumps(forecast_id)
        for path in reversed(segments(self._folder / JOURNAL)):
            try:
                for entry in entries(path):
                    if wanted in entry.head:
                        found = read_entry(entry)
                        if isinstance(found, Given) and found.forecast_id == forecast_id:
                            return kept(found)
            except FileNotFoundError:  # it has been moved
                continue
        return None

    def _opened(self) -> Ledger:
        from forecaster.ledger.ledger import Ledger

        with self._lock:
            if self._ledger is None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._ledger = Ledger(self._url)
            return self._ledger
