"""Calendar features: where a step stands in its hour, day, week, month and year, and how near a holiday is.

Every column is in -1 .. 1 and computed from local time: by the clock of the zone that a model was trained in, else of
the axis' zone, or the naive time as given.
A cycle has two columns, the sine and the cosine of the part of it that has passed (day_of_week_sin,
day_of_week_cos), so that its end meets its beginning:

    second_of_minute  minute_of_hour  hour_of_day      time passed, fractions included
    day_of_week                                        whole days since Monday, of 7
    day_of_month  day_of_year                          whole days since its first, of as many as it has
    month_of_year                                      whole months since January, of 12

Public holidays are those of a country, by the local day on which a step begins:

    holiday                                            1 on a holiday, else 0
    days_to_holiday  days_since_holiday                0 on a holiday .. 1 where it is 7 days away or more
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.arrays import FloatArray
from forecaster.errors import ConfigError
from forecaster.time.aliases import meaning
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.time.grid import DAY, BusinessGrid, FixedGrid, MonthGrid, StoredTimes, split_day
from forecaster.time.public_holidays import HOLIDAY_COLUMNS, check_country, holiday_values
from forecaster.time.zones import naive, zone

_FIXED_CYCLES = {
    "second_of_minute": 60_000_000,
    "minute_of_hour": 3_600_000_000,
    "hour_of_day": DAY,
    "day_of_week": 7 * DAY,
}
_SIDES: dict[str, Callable[[FloatArray], FloatArray]] = {"sin": np.sin, "cos": np.cos}


def default_calendar(frequency: Frequency) -> tuple[str, ...]:
    """Gives the cycles that series of this frequency move through; none for integer steps."""
    grid = meaning(frequency.alias).grid
    if frequency.is_step:
        return ()
    if isinstance(grid, MonthGrid):
        return ("month_of_year",) if grid.months % 12 else ()
    longer = ("day_of_year",) if frequency.is_tick else ("day_of_month", "day_of_year")
    if isinstance(grid, BusinessGrid):
        return (*(("day_of_week",) if grid.days % 5 else ()), *longer)
    assert isinstance(grid, FixedGrid)
    return (*(name for name, length in _FIXED_CYCLES.items() if grid.period % length), *longer)


def calendar_columns(features: Sequence[str], axis: TimeAxis, country: str | None = None) -> tuple[str, ...]:
    """Gives the columns of cycles (day_of_week) and of columns (day_of_week_sin), then those of a country's holidays.

    ConfigError as in `check_calendar`.
    """
    columns = [name for feature in features for name in (_sides(feature) if feature in _CYCLES else (feature,))]
    columns += [name for name in (HOLIDAY_COLUMNS if country is not None else ()) if name not in columns]
    check_calendar(columns, axis, country)
    return tuple(columns)


def check_calendar(columns: Sequence[str], axis: TimeAxis, country: str | None) -> None:
    """Refuses what `calendar_values` cannot give.

    ConfigError for an unknown or repeated column, an unknown country, holidays without a country or a country
    without them, and for any column of an axis of integer steps.
    """
    unknown = next((name for name in columns if name not in _CALENDAR), None)
    if unknown is not None:
        known = ", ".join(_CALENDAR)
        raise ConfigError(f"calendar feature {unknown[:40]!r} is unknown: there are {known}", code="unknown-calendar")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"a calendar feature is named twice: {', '.join(columns)}", code="unknown-calendar")
    if (country is not None) != any(name in HOLIDAY_COLUMNS for name in columns):
        raise ConfigError("holidays are features where their country is named, and only there", code="unknown-country")
    if columns and axis.frequency.is_step:
        raise ConfigError("calendar features need timestamps, this data counts integer steps", code="no-calendar")
    if country is not None:
        check_country(country)


def calendar_values(local: StoredTimes, columns: Sequence[str], country: str | None) -> NDArray[np.float32]:
    """Gives checked columns [n F] of local times [n], each in -1 .. 1; holidays are those of `country`."""
    values = np.empty((len(local), len(columns)), dtype=np.float32)
    for place, name in enumerate(columns):
        if name in HOLIDAY_COLUMNS:
            assert country is not None
            values[:, place] = holiday_values(local.astype("datetime64[D]"), country, name)
        else:
            cycle, _, side = name.rpartition("_")
            values[:, place] = _SIDES[side](2 * np.pi * _CYCLES[cycle](local))
    return values


def local_times(times: StoredTimes, axis: TimeAxis, timezone: str | None) -> StoredTimes:
    """Gives what the clock of a zone shows at stored times [n]; it repeats an hour when it is put back.

    Without a zone it is the one of the axis; times that have none are local as they are.
    """
    if axis.timezone is None:
        return times
    if timezone is not None and timezone != axis.timezone:
        return naive(pd.DatetimeIndex(axis.label(times)).tz_convert(zone(timezone)))
    if not axis.frequency.is_tick:
        return times
    return naive(pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone(axis.timezone)))


def _sides(cycle: str) -> tuple[str, ...]:
    return tuple(f"{cycle}_{side}" for side in _SIDES)


def _fixed(name: str) -> Callable[[StoredTimes], FloatArray]:
    length = _FIXED_CYCLES[name]
    return lambda local: local.astype(np.int64) % length / length


def _part_of_week(local: StoredTimes) -> FloatArray:
    days = split_day(local)[0].astype(np.int64)
    return np.asarray((days + 3) % 7 / 7)  # day 0 was a Thursday


def _part_of_days(unit: str) -> Callable[[StoredTimes], FloatArray]:
    def part(local: StoredTimes) -> FloatArray:
        current = local.astype(unit)
        first, following = (period.astype("datetime64[D]").astype(np.int64) for period in (current, current + 1))
        return np.asarray((split_day(local)[0].astype(np.int64) - first) / (following - first))

    return part


def _part_of_months(local: StoredTimes) -> FloatArray:
    return np.asarray(local.astype("datetime64[M]").astype(np.int64) % 12 / 12)


_CYCLES: dict[str, Callable[[StoredTimes], FloatArray]] = {
    **{name: _fixed(name) for name in ("second_of_minute", "minute_of_hour", "hour_of_day")},
    "day_of_week": _part_of_week,
    "day_of_month": _part_of_days("datetime64[M]"),
    "day_of_year": _part_of_days("datetime64[Y]"),
    "month_of_year": _part_of_months,
}
_CALENDAR = (*(side for cycle in _CYCLES for side in _sides(cycle)), *HOLIDAY_COLUMNS)
