"""How series advance in time: the frequency of a series, and the axis that ties it to a time zone.

Stored time is what the library computes with: naive datetime64[us], or int64 for integer steps. With a
time zone, a frequency below a day is stored in UTC and one of days or longer in local wall time, so that
local midnights stay a regular grid when the clocks change. Without one it is the naive time as given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.errors import FrequencyError, TimestampError
from forecaster.time.aliases import STEP, WEEKDAYS, Meaning, meaning, month_unit, tick_alias
from forecaster.time.grid import DAY, MonthGrid, StoredTimes, month_number, split_day
from forecaster.time.stored import clock_message, index_of, microseconds, steps_of, written
from forecaster.time.zones import shown, utc_from_wall, wall_from_utc, zone

_LEAST_SHARE = 0.1  # of all distances, for the shortest one to be taken for the step


@dataclass(frozen=True)
class Frequency:
    """The length of one step, by its canonical name; FrequencyError for any other spelling."""

    alias: str

    def __post_init__(self) -> None:
        if self._meaning.alias != self.alias:
            raise FrequencyError(f"frequency {self.alias!r} is spelled {self._meaning.alias!r}")

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Gives the frequency of any spelling: 'H' -> 'h', '60min' -> 'h', 'W' -> 'W-SUN', '24h' -> 'D'."""
        return cls(meaning(text).alias)

    @property
    def _meaning(self) -> Meaning:
        return meaning(self.alias)

    @property
    def is_step(self) -> bool:
        """True where time is counted in integers."""
        return self.alias == STEP

    @property
    def is_tick(self) -> bool:
        """True where a step has a fixed length that is not whole days; all others advance in wall time."""
        return self._meaning.is_tick

    @property
    def season_length(self) -> int:
        """Steps of one natural cycle (a day of hours, a year of months ...); 1 where they are not whole."""
        return self._meaning.season_length

    def positions(self, start: StoredTimes | np.generic, timestamps: StoredTimes) -> IntArray:
        """Gives the number of steps from `start` (one, or one per timestamp) to each stored timestamp.

        -1 stands where a timestamp, or its start, is off the grid, and where it comes before its start.
        """
        return self._meaning.grid.positions(np.asarray(start), np.asarray(timestamps))

    def holds(self, times: StoredTimes) -> BoolArray:
        """Says at which stored times a series of this frequency may start (not on a Tuesday for 'W-SUN')."""
        return self._meaning.grid.touches(np.asarray(times))

    def holds_all(self, times: StoredTimes) -> bool:
        """Says whether a series of this frequency may start at each of some stored times."""
        grid = self._meaning.grid
        return grid.is_everywhere or bool(grid.touches(np.asarray(times)).all())

    def advance(self, starts: StoredTimes, num: int | IntArray) -> StoredTimes:
        """Gives the stored times `num` steps after `starts`; the two broadcast.

        TimestampError where a start is off the grid (a Tuesday for 'W-SUN').
        """
        starts = np.asarray(starts)
        if not self.holds_all(starts):
            off = starts[~self.holds(starts)]
            raise TimestampError(f"{written(off[0])} is no timestamp of frequency {self.alias!r}", code="off-grid")
        return self._meaning.grid.advance(starts, np.asarray(num, dtype=np.int64))

    def range(self, start: np.generic, num: int) -> StoredTimes:
        """Gives `num` stored times [num] that begin with `start`."""
        return self.advance(np.asarray(start)[None], np.arange(num, dtype=np.int64))

    def elapsed(self, times: StoredTimes, until: StoredTimes) -> FloatArray:
        """Gives the time from `times` to `until`, which broadcast, in steps of mean length; negative where later.

        Where all steps last equally long it is their number.
        """
        return np.asarray((until - times).astype(np.int64) / self._meaning.grid.mean_step)


def infer_frequency(timestamps: StoredTimes) -> Frequency:
    """Gives the frequency of one series of stored times; order, repeats and gaps do not matter.

    The most common distance between neighbours decides if every timestamp lies on its grid, or else the
    shortest one if it is not rare. Integers are steps. FrequencyError for fewer than three timestamps, or
    where no grid fits.
    """
    times = np.unique(timestamps)
    if times.dtype.kind in "iu":
        return _counted(times)
    if len(times) < 3:
        message = f"a frequency cannot be inferred from {len(times)} timestamp(s): wanted 3, or `frequency`"
        raise FrequencyError(message, code="frequency-needed")
    for alias in _candidates(times):
        candidate = Frequency.parse(alias)
        if (candidate.positions(times[0], times) >= 0).all():
            return candidate
    raise FrequencyError(_no_grid(times), code="irregular-timestamps")


def _counted(times: IntArray) -> Frequency:
    if len(times) > 1 and np.diff(times).min() > 1:
        message = (
            f"integer timestamps are counted as steps, but none follows another by 1 ({times[0]}, {times[1]} ...): "
            "write dates as text, or epochs as timestamps"
        )
        raise FrequencyError(message, code="irregular-timestamps")
    return Frequency(STEP)


def _candidates(times: StoredTimes) -> Iterator[str]:
    steps = np.diff(times).astype(np.int64)
    if steps.min() >= 28 * DAY:
        yield from _months(times)
        if _same_day_of_month(times):
            return
    for step in _likely(steps):
        if step <= 3653 * DAY:
            yield _named(times, step)


def _likely(steps: IntArray) -> list[int]:
    sizes, counts = np.unique(steps, return_counts=True)
    shortest_counts = counts[0] >= _LEAST_SHARE * len(steps)
    return [int(sizes[counts.argmax()]), *([int(sizes[0])] if shortest_counts else [])]


def _months(times: StoredTimes) -> Iterator[str]:
    numbers = month_number(times)
    for at_end, business in ((False, False), (True, False), (False, True), (True, True)):
        if MonthGrid(1, at_end, business).touches(times).all():
            for months in _likely(np.diff(numbers)):
                cycle = next(size for size in (12, 3, 1) if months % size == 0)
                grid = MonthGrid(months, at_end, business, cycle, int(numbers[0] % cycle))
                yield f"{months // cycle}{month_unit(grid)}"


def _same_day_of_month(times: StoredTimes) -> bool:
    days = split_day(times)[0]
    return len(np.unique(days - days.astype("datetime64[M]"))) == 1


def _named(times: StoredTimes, step: int) -> str:
    days = split_day(times)[0]
    if step % (7 * DAY) == 0:
        return f"{step // (7 * DAY)}W-{WEEKDAYS[int(days[0].astype(np.int64) + 3) % 7]}"
    spans_weekend = np.busday_count(days[0], days[-1]) < (days[-1] - days[0]).astype(np.int64)
    if step in (DAY, 2 * DAY) and spans_weekend and np.is_busday(days).all():
        return "B" if step == DAY else "2B"  # every other day that is no weekend is every other business day
    return tick_alias(step)


def _no_grid(times: StoredTimes) -> str:
    step = _likely(np.diff(times).astype(np.int64))[0]
    off = (times - times[0]).astype(np.int64) % step != 0
    found = (
        f"{off.sum()} of {len(times)} timestamps are off it, first {written(times[off][0])}"
        if off.any()
        else "no name fits it"
    )
    return (
        f"timestamps do not lie on one regular grid: the most common distance is {tick_alias(step)!r} from "
        f"{written(times[0])}, and {found}. Calendar steps lie on the first or last day of a month"
    )


@dataclass(frozen=True)
class TimeAxis:
    """The frequency and the time zone that all series of a panel share; the door between user's and stored time."""

    frequency: Frequency
    timezone: str | None = None  # IANA name or fixed offset ('UTC+01:00'); None: naive

    def __post_init__(self) -> None:
        if self.timezone is not None:
            zone(self.timezone)
        if self.timezone is not None and self.frequency.is_step:
            raise TimestampError(f"integer steps have no time zone, got {self.timezone!r}", code="timezone-of-steps")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The dtype of stored times: datetime64[us], or int64 for integer steps."""
        return np.dtype(np.int64 if self.frequency.is_step else "datetime64[us]")

    def store(self, timestamps: pd.Series | pd.Index) -> StoredTimes:
        """Gives the stored times [n] of user's timestamps, naive or with a zone.

        TimestampError for integers where times are wanted or the reverse, for null timestamps, for years
        outside 1678..2261, for an offset where the axis is naive, and for a naive time that the clock of
        the axis' zone showed twice or never.
        """
        if self.frequency.is_step:
            return steps_of(timestamps)
        index = index_of(timestamps)
        if index.tz is None:
            return self.store_naive(microseconds(index))
        return self.store_utc(microseconds(index))

    def store_naive(self, times: StoredTimes) -> StoredTimes:
        """Gives the stored times of naive datetime64[us], which are wall times where the axis has a zone."""
        if self.timezone is None or not self.frequency.is_tick:
            return times
        utc = utc_from_wall(times, self.timezone)
        lost = np.isnat(utc)
        if lost.any():
            raise TimestampError(clock_message(times[lost], self.timezone), code="ambiguous-timestamp")
        return utc

    def store_utc(self, utc: StoredTimes) -> StoredTimes:
        """Gives the stored times of instants, given as datetime64[us] in UTC."""
        if self.timezone is None:
            raise TimestampError("timestamps have an offset, those of this axis have none", code="unexpected-offset")
        return utc if self.frequency.is_tick else wall_from_utc(utc, self.timezone)

    def show(self, start: np.generic, num: int) -> pd.Index:
        """Gives `num` user's timestamps from the stored time `start` on: a DatetimeIndex, or integers for steps."""
        return self.label(self.frequency.range(start, num))

    def label(self, stored: StoredTimes) -> pd.Index:
        """Gives the user's timestamps of stored times [n], in the zone of the axis."""
        if self.frequency.is_step or self.timezone is None:
            return pd.Index(stored)
        if self.frequency.is_tick:
            return pd.DatetimeIndex(stored).tz_localize("UTC").tz_convert(zone(self.timezone))
        return shown(stored, self.timezone)

    def text(self, stored: np.generic | StoredTimes) -> str:
        """Gives one stored time as people read it: ISO 8601 with offset where there is a zone, or a number."""
        label = self.label(np.asarray(stored).reshape(1))[0]
        return str(label) if self.frequency.is_step else label.isoformat()


def frequency_mismatch(found: str, trained: str) -> FrequencyError:
    """Gives the error that data of a frequency, by its alias, is refused with by a model of another one."""
    message = f"the data has frequency {found!r}, the model was trained on {trained!r}"
    return FrequencyError(message, code="frequency-mismatch")
