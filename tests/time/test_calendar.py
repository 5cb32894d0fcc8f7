from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster.arrays import FloatArray
from forecaster.errors import ConfigError
from forecaster.time.calendar import calendar_columns, calendar_values, check_calendar, default_calendar, local_times
from forecaster.time.frequency import Frequency, TimeAxis

HOURLY = TimeAxis(Frequency("h"))
CYCLES = (
    "second_of_minute",
    "minute_of_hour",
    "hour_of_day",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "month_of_year",
)


def phase(cycle: str, *times: str, axis: TimeAxis = HOURLY) -> FloatArray:
    """The part of a cycle that has passed at stored times, read back from its two columns."""
    stored = np.array(times, dtype="datetime64[us]")
    sine, cosine = calendar_values(local_times(stored, axis, None), calendar_columns([cycle], axis), None).T.astype(
        np.float64
    )
    return np.arctan2(sine, cosine) / (2 * np.pi) % 1


@pytest.mark.parametrize(
    ("cycle", "time", "part"),
    [
        ("second_of_minute", "2024-01-01T00:00:45", 0.75),
        ("minute_of_hour", "2024-01-01T00:15:00", 0.25),
        ("hour_of_day", "2024-01-01T18:00:00", 0.75),
        ("hour_of_day", "2024-01-01T00:30:00", 1 / 48),
        ("hour_of_day", "1969-12-31T06:00:00", 0.25),
        ("day_of_week", "2024-01-01T23:00:00", 0),  # a Monday
        ("day_of_week", "2024-01-07T00:00:00", 6 / 7),
        ("day_of_week", "1969-12-28T00:00:00", 6 / 7),  # a Sunday
        ("day_of_month", "2024-02-15T12:00:00", 14 / 29),
        ("day_of_month", "2023-02-15T12:00:00", 14 / 28),
        ("day_of_year", "2024-12-31T12:00:00", 365 / 366),
        ("day_of_year", "2023-12-31T12:00:00", 364 / 365),
        ("month_of_year", "2024-04-30T12:00:00", 3 / 12),
    ],
)
def test_cycles_give_the_part_that_has_passed(cycle: str, time: str, part: float) -> None:
    np.testing.assert_allclose(phase(cycle, time), part, atol=1e-6)


def test_all_columns_are_between_minus_one_and_one() -> None:
    times = HOURLY.frequency.range(np.datetime64("1999-12-31T23:00", "us"), 20_000)
    values = calendar_values(times, calendar_columns(CYCLES, HOURLY, "US"), "US")
    assert values.dtype == np.float32
    assert np.abs(values).max() <= 1
    assert values.shape == (20_000, 2 * len(CYCLES) + 3)


@pytest.mark.parametrize("day", ["2024-03-31", "2024-10-27"])
def test_hours_are_those_of_the_local_clock_on_both_sides_of_its_change(day: str) -> None:
    axis = TimeAxis(Frequency("h"), "Europe/Berlin")
    shown = pd.date_range(day, periods=30, freq="h", tz="Europe/Berlin")
    stored = axis.store(shown)
    hours = np.round(phase("hour_of_day", *stored.astype(str), axis=axis) * 24, 3) % 24
    assert hours.tolist() == shown.hour.tolist()
    days = np.round(phase("day_of_week", *stored.astype(str), axis=axis) * 7, 3) % 7
    assert days.tolist() == shown.day_of_week.tolist()


def test_days_of_a_zone_are_its_own_days() -> None:
    axis = TimeAxis(Frequency("D"), "Asia/Tokyo")
    stored = axis.store(pd.date_range("2024-01-01", periods=3, tz="Asia/Tokyo"))
    np.testing.assert_allclose(phase("day_of_week", *stored.astype(str), axis=axis) * 7, [0, 1, 2], atol=1e-6)


@pytest.mark.parametrize(("alias", "given"), [("h", "UTC"), ("h", "UTC+02:00"), ("D", "UTC"), ("h", "Europe/Berlin")])
def test_the_clock_of_a_named_zone_is_read_whatever_zone_the_times_came_in(alias: str, given: str) -> None:
    shown = pd.date_range("2024-03-30", periods=60, freq=alias, tz="Europe/Berlin")
    if alias == "D":
        shown = shown[:1].append(shown[1:2])  # midnights in Berlin, which are 23:00 in UTC
    axis = TimeAxis(Frequency.parse(alias), given)
    local = local_times(axis.store(shown.tz_convert("UTC" if given == "UTC" else shown.tz)), axis, "Europe/Berlin")
    assert pd.DatetimeIndex(local).tolist() == shown.tz_localize(None).tolist()


def test_times_without_a_zone_are_local_as_they_are() -> None:
    times = HOURLY.frequency.range(np.datetime64("2024-03-30", "us"), 60)
    np.testing.assert_array_equal(local_times(times, HOURLY, "Europe/Berlin"), times)


@pytest.mark.parametrize(
    ("alias", "cycles"),
    [
        ("100ms", ("second_of_minute", "minute_of_hour", "hour_of_day", "day_of_week", "day_of_year")),
        ("min", ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_year")),
        ("15min", ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_year")),
        ("h", ("hour_of_day", "day_of_week", "day_of_year")),
        ("36h", ("hour_of_day", "day_of_week", "day_of_year")),
        ("D", ("day_of_week", "day_of_month", "day_of_year")),
        ("B", ("day_of_week", "day_of_month", "day_of_year")),
        ("5B", ("day_of_month", "day_of_year")),
        ("W-SUN", ("day_of_month", "day_of_year")),
        ("MS", ("month_of_year",)),
        ("QE-DEC", ("month_of_year",)),
        ("YS-JAN", ()),
        ("step", ()),
    ],
)
def test_default_features_are_those_that_vary_within_the_frequency(alias: str, cycles: tuple[str, ...]) -> None:
    assert default_calendar(Frequency.parse(alias)) == cycles


@pytest.mark.parametrize("alias", ["min", "15min", "2h", "D", "B", "W-SUN", "MS", "QS-JAN"])
def test_no_default_feature_is_constant(alias: str) -> None:
    axis = TimeAxis(Frequency.parse(alias))
    start = axis.frequency.advance(
        np.array([np.datetime64("2023-01-01" if alias[0] == "W" else "2024-01-01", "us")]), 0
    )
    times = axis.frequency.advance(start, np.arange(20_000) % 3000 * 17)
    values = calendar_values(times, calendar_columns(default_calendar(axis.frequency), axis), None)
    assert (values.std(axis=0) > 0.01).all()


def test_cycles_and_their_columns_are_both_names() -> None:
    assert calendar_columns(["day_of_week", "hour_of_day_sin"], HOURLY) == (
        "day_of_week_sin",
        "day_of_week_cos",
        "hour_of_day_sin",
    )


@pytest.mark.parametrize(
    ("columns", "country", "problem"),
    [
        (("noon",), None, "'noon' is unknown: there are second_of_minute"),
        (("day_of_week",), None, "'day_of_week' is unknown"),
        (("day_of_week_sin", "day_of_week_sin"), None, "named twice"),
        (("holiday",), None, "where their country is named"),
        (("day_of_week_sin",), "DE", "where their country is named"),
        (("holiday",), "Atlantis", "holidays of 'Atlantis' are not known"),
    ],
)
def test_features_that_cannot_be_given_are_refused(columns: tuple[str, ...], country: str | None, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_calendar(columns, HOURLY, country)


def test_integer_steps_have_no_features() -> None:
    with pytest.raises(ConfigError, match="counts integer steps"):
        check_calendar(("day_of_week_sin",), TimeAxis(Frequency("step")), None)
