"""Regular grids of timestamps: which step a timestamp is, and which timestamp a step has.

All times here are stored times: naive datetime64[us], or int64 where rows are counted. A grid knows no
names, no seasons and no time zones. Every function works on whole arrays and broadcasts, so that the
starts of a hundred thousand series cost one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forecaster.arrays import BoolArray, IntArray

StoredTimes = NDArray[Any]  # datetime64[us], or int64 for integer steps

OFF_GRID = -1
DAY = 86_400_000_000  # microseconds

_MONTH = 2_629_746_000_000  # microseconds: 146,097 days of 400 Gregorian years, over their 4,800 months


class Grid(Protocol):
    """What every grid can do; `starts`, `num` and `times` broadcast against each other."""

    @property
    def mean_step(self) -> float:
        """Mean length of a step: microseconds, or 1 for integer steps."""
        ...

    def advance(self, starts: StoredTimes, num: IntArray) -> StoredTimes:
        """Gives the times `num` steps after `starts`, which must lie on the grid."""
        ...

    def positions(self, starts: StoredTimes, times: StoredTimes) -> IntArray:
        """Gives the steps from `starts` to `times`; OFF_GRID where there is no whole, non-negative number."""
        ...

    def touches(self, times: StoredTimes) -> BoolArray:
        """Says which times a series may start at."""
        ...

    @property
    def is_everywhere(self) -> bool:
        """True where that is any time at all, which need not be looked at then."""
        ...


@dataclass(frozen=True)
class FixedGrid:
    """Steps of one fixed length: ticks, days, weeks, and integers."""

    period: int  # microseconds, or 1 for integer steps
    weekday: int | None = None  # Monday 0 .. Sunday 6; None where any day will do

    @property
    def is_everywhere(self) -> bool:
        """True where any day will do."""
        return self.weekday is None

    @property
    def mean_step(self) -> float:
        """The length of every step, in the unit of `period`."""
        return self.period

    def advance(self, starts: StoredTimes, num: IntArray) -> StoredTimes:
        """Gives the times `num` steps after `starts`."""
        return np.asarray(starts.astype(np.int64) + num * self.period).astype(starts.dtype)

    def positions(self, starts: StoredTimes, times: StoredTimes) -> IntArray:
        """Gives the steps from `starts` to `times`, or OFF_GRID."""
        steps, rest = np.divmod(times.astype(np.int64) - starts.astype(np.int64), self.period)
        return np.where((rest == 0) & (steps >= 0) & self.touches(starts), steps, OFF_GRID)

    def touches(self, times: StoredTimes) -> BoolArray:
        """Says which times fall on the weekday that this grid asks for, if it asks for one."""
        if self.weekday is None:
            return np.ones(times.shape, dtype=np.bool_)
        return np.asarray((times.astype(np.int64) // DAY + 3) % 7 == self.weekday)  # day 0 was a Thursday


@dataclass(frozen=True)
class BusinessGrid:
    """Steps of some business days, Monday to Friday, at one time of day."""

    days: int
    is_everywhere = False

    @property
    def mean_step(self) -> float:
        """Mean length of a step in microseconds: five business days last a week."""
        return self.days * 7 * DAY / 5

    def advance(self, starts: StoredTimes, num: IntArray) -> StoredTimes:
        """Gives the times `num` steps after `starts`."""
        day, time_of_day = split_day(starts)
        return np.asarray(np.busday_offset(day, num * self.days)).astype("datetime64[us]") + time_of_day

    def positions(self, starts: StoredTimes, times: StoredTimes) -> IntArray:
        """Gives the steps from `starts` to `times`, or OFF_GRID."""
        (first, first_time), (day, time_of_day) = split_day(starts), split_day(times)
        steps, rest = np.divmod(np.busday_count(first, day), self.days)
        fits = np.is_busday(first) & np.is_busday(day) & (first_time == time_of_day)
        return np.where(fits & (rest == 0) & (steps >= 0), steps, OFF_GRID).astype(np.int64)

    def touches(self, times: StoredTimes) -> BoolArray:
        """Says which times fall on business days."""
        return np.asarray(np.is_busday(split_day(times)[0]))


@dataclass(frozen=True)
class MonthGrid:
    """Steps of some months, on the first or the last (business) day, at one time of day."""

    months: int
    at_end: bool = False
    business: bool = False
    cycle: int = 1  # the month's number modulo `cycle` is `anchor`: 3 for quarters, 12 for years
    anchor: int = 0
    is_everywhere = False

    @property
    def mean_step(self) -> float:
        """Mean length of a step in microseconds, over the 400 years after which the calendar repeats."""
        return self.months * _MONTH

    def advance(self, starts: StoredTimes, num: IntArray) -> StoredTimes:
        """Gives the times `num` steps after `starts`."""
        day, time_of_day = split_day(starts)
        return self.edge(month_number(day) + num * self.months).astype("datetime64[us]") + time_of_day

    def positions(self, starts: StoredTimes, times: StoredTimes) -> IntArray:
        """Gives the steps from `starts` to `times`, or OFF_GRID."""
        (first, first_time), (day, time_of_day) = split_day(starts), split_day(times)
        first_month, month = month_number(first), month_number(day)
        steps, rest = np.divmod(month - first_month, self.months)
        fits = self._meets(first, first_month) & self._meets(day, month) & (first_time == time_of_day)
        return np.where(fits & (rest == 0) & (steps >= 0), steps, OFF_GRID)

    def touches(self, times: StoredTimes) -> BoolArray:
        """Says which times fall on the day and the month this grid asks for."""
        day = split_day(times)[0]
        return self._meets(day, month_number(day))

    def _meets(self, day: StoredTimes, month: IntArray) -> BoolArray:
        return np.asarray((day == self.edge(month)) & (month % self.cycle == self.anchor))

    def edge(self, month: IntArray) -> StoredTimes:
        """Gives the day (datetime64[D]) on which the grid meets a month, counted from January 1970."""
        first = (month + self.at_end).astype("datetime64[M]").astype("datetime64[D]")
        day = first - np.timedelta64(1, "D") if self.at_end else first
        if not self.business:
            return np.asarray(day)
        return np.asarray(np.busday_offset(day, 0, roll="backward" if self.at_end else "forward"))


def split_day(times: StoredTimes) -> tuple[StoredTimes, NDArray[np.timedelta64]]:
    """Splits datetime64[us] into the day (datetime64[D]) and the time since its midnight."""
    day = times.astype("datetime64[D]")
    return day, times - day


def month_number(times: StoredTimes) -> IntArray:
    """Gives the number of whole months since January 1970."""
    return np.asarray(times.astype("datetime64[M]").astype(np.int64))
