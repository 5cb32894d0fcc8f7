"""The moments of a cron expression, in UTC, whatever the clocks of a zone do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

_INSTANT = timedelta(microseconds=1)
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
# How far back the last moment is looked for, step by step: of '0 0 29 feb *' it may lie eight years
# back, and forty where that is to be a Monday, too ('*/1').
_SPANS = tuple(timedelta(days=days) for days in (1 / 24, 1, 7, 31, 366, 9 * 366, 41 * 366))


class Cron:
    """Five fields such as '0 3 * * mon-fri'. ValueError for others, and for days of the week by number.

    As in crontab(5), days of the month and of the week are those that either field names, unless one of them begins
    with a star: then both have to name them.
    """

    def __init__(self, text: str) -> None:
        # The field's own numbers begin with Sunday, the scheduler's with Monday: names mean the same to both.
        if any(character.isdigit() for character in "".join(text.split()[4:5])):
            raise ValueError(f"wants days of the week by name, such as 'mon-fri', got {text!r}")
        try:
            self._trigger = _trigger(text)
        except ValueError as error:
            raise ValueError(f"wants five fields such as '0 3 * * *', got {text!r}: {error}") from error
        if self._next(_SOME_DAY) is None:
            raise ValueError(f"names a day that never comes: {text!r}")

    def latest(self, now: datetime) -> datetime:
        """Gives the last moment until `now`, that included."""
        moments = next(filter(None, ([*self.between(now - span, now)] for span in _SPANS)))
        return moments[-1]

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yields the moments in (after, until], in their order."""
        moment = self._next(after + _INSTANT)
        while moment is not None and moment <= until:
            yield moment
            moment = self._next(moment + _INSTANT)

    def next(self, after: datetime) -> datetime:
        """Gives the first moment that is later, the end of the calendar where there is none."""
        return self._next(after + _INSTANT) or _END

    def _next(self, since: datetime) -> datetime | None:
        found: datetime | None = self._trigger.get_next_fire_time(None, since)
        return None if found is None else found.astimezone(UTC)


def _trigger(text: str) -> BaseTrigger:
    """Gives the scheduler's trigger, which by itself wants days that both fields name."""
    found = CronTrigger.from_crontab(text, timezone="UTC")
    minute, hour, day, month, day_of_week = text.split()
    if day.startswith("*") or day_of_week.startswith("*"):
        return found
    either = (f"{minute} {hour} {day} {month} *", f"{minute} {hour} * {month} {day_of_week}")
    return OrTrigger([CronTrigger.from_crontab(one, timezone="UTC") for one in either])
