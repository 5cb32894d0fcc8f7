"""What the keeper does from time to time: it says how skilled the models are, and deletes what is old."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from service.ledger.orders import DAY, JOBS, RECENT_DAYS, SKILL

_SKILL_SECONDS, _EXPIRY_SECONDS, _JOBS_SECONDS = 5.0, 3600.0, 60.0


class Chores:
    """The chores of one ledger."""

    def __init__(self, folder: Path, ledger: Ledger, days: float) -> None:
        """`days` is how long forecasts and values are kept."""
        self._folder, self._ledger, self._days = folder, ledger, days
        self._jobs = Jobs(ledger)
        self._skill_due = self._expiry_due = self._jobs_due = 0.0  # of the monotonic clock
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

    def _write_skill(self) -> None:
        """Writes the skill of all versions to a file, which the metrics of every worker are made of."""
        since_recent = int(time.time() * 1e6 - RECENT_DAYS * DAY)
        drifts = self._ledger.drifts(since_recent, by_segment=False)
        rows = [
            {**asdict(one), "drift": asdict(drifts[one.key]) if one.key in drifts else {}}
            for one in self._ledger.skill(by_segment=False)
        ]
        draft = self._folder / f"{SKILL}.draft"
        draft.write_text(json.dumps(rows))
        draft.replace(self._folder / SKILL)
