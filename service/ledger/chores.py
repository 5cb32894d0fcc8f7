"""What the keeper does from time to time: it says how skilled the models are, adapts them, and deletes what is old."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from forecaster.ledger.finetuned_names import is_finetuned
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from service.ledger.orders import ADAPTION, DAY, JOBS, RECENT_DAYS, SKILL
from service.ledger.revision_file import written

_SKILL_SECONDS, _ADAPTION_SECONDS, _EXPIRY_SECONDS, _JOBS_SECONDS = 5.0, 2.0, 3600.0, 60.0


class Chores:
    """The chores of one ledger."""

    def __init__(self, folder: Path, ledger: Ledger, days: float, *, adapts: bool = False) -> None:
        """`days` is how long forecasts and values are kept, `adapts` whether factors are made of them."""
        self._folder, self._ledger, self._days, self._adapts = folder, ledger, days, adapts
        self._jobs = Jobs(ledger)
        self._skill_due = self._adaption_due = self._expiry_due = self._jobs_due = 0.0  # of the monotonic clock
        self._revision: int | None = None  # the one that the file has
        self._has_changed = True

    def note(self, num_scored: int) -> None:
        """Takes note of forecasted series that were scored."""
        self._has_changed = self._has_changed or num_scored > 0

    def do(self) -> None:
        """Does those that are due; skill that has not changed is not told again, since all of it is looked at."""
        now = time.monotonic()
        if now >= self._expiry_due:
            self._expiry_due = now + _EXPIRY_SECONDS
            self._jobs.expire()
            self._ledger.expire(int(time.time() * 1e6 - self._days * DAY))
            self._has_changed = True  # what was recent is not any more
        if now >= self._jobs_due:
            self._jobs_due = now + _JOBS_SECONDS
            if self._jobs.num_open():  # perhaps of a service elsewhere, which is no more
                (self._folder / JOBS).touch()
        if now >= self._skill_due and self._has_changed:
            self._skill_due, self._has_changed = now + _SKILL_SECONDS, False
            self._write_skill()
        if self._adapts and now >= self._adaption_due:
            try:
                self._adapt()
            finally:
                self._adaption_due = time.monotonic() + _ADAPTION_SECONDS

    def _write_skill(self) -> None:
        """Writes the skill of all versions to a file, which the metrics of every worker are made of.

        Fine-tuned models, whose names callers choose, are left out: they concern their owners alone.
        """
        since_recent = int(time.time() * 1e6 - RECENT_DAYS * DAY)
        drifts = self._ledger.drifts(since_recent, by_segment=False)
        rows = [
            {**asdict(one), "drift": asdict(drifts[one.key]) if one.key in drifts else {}}
            for one in self._ledger.skill(by_segment=False)
            if not is_finetuned(one.model)
        ]
        self._write(SKILL, json.dumps(rows).encode())

    def _adapt(self) -> None:
        """Makes stale factors anew, some at a time, and writes them to the file that every worker follows.

        Whoever keeps the same database for another folder may have made them: the number in it says so.
        """
        self._ledger.adapt(now_microseconds())
        if self._ledger.adaption_number() != self._revision:
            found = self._ledger.adaption()
            self._write(ADAPTION, written(found))
            self._revision = found.number

    def _write(self, name: str, content: bytes) -> None:
        """Writes a file of the folder, of which nobody sees a part."""
        draft = self._folder / f"{name}.draft"
        draft.write_bytes(content)
        draft.replace(self._folder / name)
