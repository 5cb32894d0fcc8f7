from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import TimestampError
from forecaster.time.frequency import Frequency, TimeAxis


def stored(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def test_naive_times_are_stored_as_given() -> None:
    axis = TimeAxis(Frequency("h"))
    index = pd.date_range("2024-10-27", periods=5, freq="h")
    assert axis.store(index).dtype == np.dtype("datetime64[us]")
    assert list(axis.show(axis.store(index)[0], 5)) == list(index)


@pytest.mark.parametrize("start", ["2024-03-30", "2024-10-26"])
def test_hours_are_regular_across_a_clock_change_and_shown_in_local_time(start: str) -> None:
    axis = TimeAxis(Frequency("h"), "Europe/Berlin")
    index = pd.date_range(start, periods=72, freq="h", tz="Europe/Berlin")
    times = axis.store(index.to_series())
    assert axis.frequency.positions(times[0], times).tolist() == list(range(72))
    assert list(axis.show(times[0], 72)) == list(index)


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", "2024-03-28"),
        ("Europe/Berlin", "2024-10-25"),
        ("America/Sao_Paulo", "2018-11-02"),  # no midnight on 2018-11-04
        ("America/Santiago", "2024-09-06"),  # nor here on 2024-09-08
        ("America/Havana", "2024-11-01"),  # two midnights on 2024-11-03
    ],
)
def test_local_midnights_are_regular_across_a_clock_change(zone: str, start: str) -> None:
    axis = TimeAxis(Frequency("D"), zone)
    index = pd.DatetimeIndex(
        [
            pd.Timestamp(day).tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
            for day in pd.date_range(start, periods=6)
        ]
    )
    times = axis.store(index)
    assert axis.frequency.positions(times[0], times).tolist() == list(range(6))
    assert list(axis.show(times[0], 6)) == list(index)


def test_days_that_begin_at_one_in_the_morning_stay_there_across_a_missing_midnight() -> None:
    axis = TimeAxis(Frequency("D"), "America/Sao_Paulo")
    index = pd.date_range("2018-11-02 01:00", periods=5, tz="America/Sao_Paulo")
    assert list(axis.show(axis.store(index)[0], 5)) == list(index)


def test_a_day_without_a_midnight_is_that_day_beside_series_of_another_hour() -> None:
    axis = TimeAxis(Frequency("D"), "America/Sao_Paulo")
    days = pd.date_range("2018-11-02", periods=5)
    midnights = days.tz_localize("America/Sao_Paulo", nonexistent="shift_forward")
    mornings = (days + pd.Timedelta(hours=6)).tz_localize("America/Sao_Paulo")
    times = axis.store(midnights.append(mornings))
    assert times.tolist() == [*days.to_pydatetime(), *(days + pd.Timedelta(hours=6)).to_pydatetime()]
    assert list(axis.label(times)) == [*midnights, *mornings]


def test_a_single_day_without_a_midnight_is_that_day() -> None:
    axis = TimeAxis(Frequency("D"), "Africa/Cairo")
    day = pd.DatetimeIndex(["2024-04-26 01:00"], tz="Africa/Cairo")
    assert axis.store(day).tolist() == stored("2024-04-26").tolist()
    assert list(axis.show(axis.store(day)[0], 2)) == [day[0], pd.Timestamp("2024-04-27", tz="Africa/Cairo")]


def test_naive_times_are_read_in_the_zone_of_the_axis() -> None:
    axis = TimeAxis(Frequency("h"), "Europe/Berlin")
    assert axis.store(pd.Series(pd.to_datetime(["2024-07-01 12:00"]))).tolist() == stored("2024-07-01T10:00").tolist()
    assert axis.text(stored("2024-07-01T10:00")[0]) == "2024-07-01T12:00:00+02:00"


def test_instants_of_another_zone_are_converted() -> None:
    axis = TimeAxis(Frequency("D"), "Europe/Berlin")
    index = pd.DatetimeIndex(["2024-06-30 22:00", "2024-07-01 22:00"], tz="UTC")
    assert axis.store(index).tolist() == stored("2024-07-01", "2024-07-02").tolist()


@pytest.mark.parametrize("time", ["2024-10-27 02:30", "2024-03-31 02:30"])
def test_naive_hours_shown_twice_or_never_are_refused(time: str) -> None:
    axis = TimeAxis(Frequency("30min"), "Europe/Berlin")
    with pytest.raises(TimestampError, match=r"shown twice or never by the clock of Europe/Berlin.*give offsets"):
        axis.store(pd.DatetimeIndex([time]))


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (pd.Series([1, 2]), "not-timestamps"),
        (pd.Series(pd.DatetimeIndex(["2024-01-01", "NaT"])), "null-timestamp"),
        (pd.Series(pd.DatetimeIndex(["2024-01-01"], tz="UTC")), "unexpected-offset"),
        (pd.Series(pd.to_datetime(["2024-01-01T00:00:00.123456789"])), "timestamp-too-fine"),
        (pd.Series(np.array(["1677-12-31"], dtype="datetime64[s]")), "timestamp-out-of-range"),
        (pd.Series(np.array(["9999-12-31"], dtype="datetime64[s]")), "timestamp-out-of-range"),
    ],
)
def test_times_that_an_axis_cannot_store_are_refused(column: pd.Series, code: str) -> None:
    with pytest.raises(TimestampError, match="timestamp") as caught:
        TimeAxis(Frequency("h")).store(column)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "column", [pd.Series([1.0]), pd.Series([1, None], dtype="Int64"), pd.Series(pd.to_datetime(["2024"]))]
)
def test_steps_are_integers_without_nulls(column: pd.Series) -> None:
    with pytest.raises(TimestampError, match="integer steps are wanted"):
        TimeAxis(Frequency("step")).store(column)


def test_steps_are_stored_and_shown_as_they_are() -> None:
    axis = TimeAxis(Frequency("step"))
    times = axis.store(pd.Series([3, 4, 5], dtype="int32"))
    assert (times.dtype, axis.text(times[1])) == (np.dtype(np.int64), "4")
    pd.testing.assert_index_equal(axis.show(times[0], 3), pd.Index([3, 4, 5]))


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe", "", "UTC+99:00", "posixrules\0"])
def test_unknown_zones_are_refused(zone: str) -> None:
    with pytest.raises(TimestampError, match="is unknown: wanted an IANA name"):
        TimeAxis(Frequency("h"), zone)


def test_steps_have_no_zone() -> None:
    with pytest.raises(TimestampError, match="integer steps have no time zone"):
        TimeAxis(Frequency("step"), "UTC")


def test_a_fixed_offset_is_a_zone() -> None:
    axis = TimeAxis(Frequency("h"), "UTC-03:30")
    assert axis.text(axis.store(pd.DatetimeIndex(["2024-01-01 00:00"]))[0]) == "2024-01-01T00:00:00-03:30"
