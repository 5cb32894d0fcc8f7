from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from forecaster.data.timestamps import looks_like_dates, parse_times
from forecaster.errors import TimestampError

JANUARY = ["2024-01-01T00:00:00.000000", "2024-02-01T00:00:00.000000"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["2024-01-01", "2024-02-01"]),
        pd.Series(["2024-01-01", "2024-02-01"], dtype=object),
        pd.Series([" 2024-01-01 00:00", "2024-02-01T00:00:00"]),
        pd.Series(["2024-01", "2024-02"]),
        pd.Series(["2024/1/1", "2024/2/1"]),
        pd.Series(["2024-01-01", "2024-02-01"], dtype="category"),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"]).as_unit("ns")),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"]).as_unit("s")),
        pd.Series([dt.date(2024, 1, 1), dt.date(2024, 2, 1)]),
        pd.Series([dt.datetime(2024, 1, 1), dt.date(2024, 2, 1)], dtype=object),  # noqa: DTZ001
        pd.Series(pd.PeriodIndex(["2024-01", "2024-02"], freq="M")),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"])).astype("timestamp[us][pyarrow]"),
    ],
)
def test_naive_times_are_read_whatever_they_are_wrapped_in(column: pd.Series) -> None:
    times = parse_times(column)
    assert (times.values.astype(str).tolist(), times.timezone) == (JANUARY, None)
    assert times.values.dtype == np.dtype("datetime64[us]")


@pytest.mark.parametrize(
    ("texts", "month_and_day"),
    [
        (["31.01.2024", "01.02.2024"], ["01-31", "02-01"]),
        (["31/01/2024", "01/02/2024"], ["01-31", "02-01"]),
        (["01/31/2024 10:00", "02/01/2024 10:00"], ["01-31", "02-01"]),
    ],
)
def test_other_orders_of_the_date_are_read_where_only_one_fits(texts: list[str], month_and_day: list[str]) -> None:
    times = parse_times(pd.Series(texts)).values
    assert [str(time)[5:10] for time in times] == month_and_day


def test_an_open_order_of_day_and_month_is_refused() -> None:
    with pytest.raises(TimestampError, match="can be read as %m/%d/%Y and as %d/%m/%Y"):
        parse_times(pd.Series(["01/02/2024", "01/03/2024"]))


@pytest.mark.parametrize(
    ("texts", "zone"),
    [
        (["2024-01-01T00:00Z", "2024-02-01T00:00Z"], "UTC"),
        (["2024-01-01T01:00+01:00", "2024-02-01 01:00:00+0100"], "UTC+01:00"),
        (["2024-01-01T01:00+01", "2024-02-01T01:00:00.000 +01:00"], "UTC+01:00"),
        (["2023-12-31T20:30-03:30", "2024-01-31T20:30-03:30"], "UTC-03:30"),
        (["2024-01-01T01:00+01:00", "2024-02-01T02:00+02:00"], "UTC"),
    ],
)
def test_texts_with_offsets_are_instants(texts: list[str], zone: str) -> None:
    times = parse_times(pd.Series(texts))
    assert (times.values.astype(str).tolist(), times.timezone) == (JANUARY, zone)


@pytest.mark.parametrize("dtype", [None, object])
def test_times_with_a_zone_keep_its_name(dtype: type | None) -> None:
    index = pd.DatetimeIndex(JANUARY, tz="UTC").tz_convert("Europe/Berlin")
    times = parse_times(pd.Series(index, dtype=dtype))
    assert (times.values.astype(str).tolist(), times.timezone) == (JANUARY, "Europe/Berlin")


def test_texts_with_and_without_offset_do_not_mix() -> None:
    with pytest.raises(TimestampError, match=r"have an offset \('2024-01-01T00:00Z'\), others have none"):
        parse_times(pd.Series(["2024-01-01T00:00Z", "2024-01-02T00:00"]))


@pytest.mark.parametrize("text", ["now", "today", "soon", "2024-13-01", "2024-02-30", "1", "", "2024-01-01T25:00"])
def test_texts_that_are_no_times_are_unreadable(text: str) -> None:
    assert np.isnat(parse_times(pd.Series(["2024-01-01", text])).values).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["int64", "int32", "Int64", object, "int64[pyarrow]"])
def test_integers_are_steps_never_epochs(dtype: str) -> None:
    times = parse_times(pd.Series([1_704_067_200, 1_704_067_201], dtype=dtype))
    assert times.are_steps
    assert times.values.tolist() == [1_704_067_200, 1_704_067_201]


@pytest.mark.parametrize("column", [pd.Series([1.0, 2.0]), pd.Series([True]), pd.Series(pd.to_timedelta(["1h"]))])
def test_columns_of_other_types_hold_no_times(column: pd.Series) -> None:
    with pytest.raises(TimestampError, match="time column 't' holds values of type"):
        parse_times(column.rename("t"))


def test_steps_too_far_out_are_refused() -> None:
    with pytest.raises(TimestampError, match=r"beyond \+/- 10\^15"):
        parse_times(pd.Series([1, 10**30]))


@pytest.mark.parametrize(
    ("steps", "are_dates"),
    [
        ([20240131, 20240201], True),
        ([202401, 202402], True),
        ([20240131, 20240132], False),
        ([1990, 1991], False),
        ([7], False),
    ],
)
def test_integers_can_look_like_dates(steps: list[int], are_dates: bool) -> None:
    assert looks_like_dates(np.array(steps)) == are_dates


def test_an_offset_after_an_hour_of_one_digit_is_one() -> None:
    times = parse_times(pd.Series(["2024-07-01 9:00+02:00", "2024-07-02 9:00+02:00"]))
    assert times.timezone == "UTC+02:00"
    assert times.values.astype(str).tolist() == ["2024-07-01T07:00:00.000000", "2024-07-02T07:00:00.000000"]
    assert parse_times(pd.Series(["2024-03-01 9:00+01:00", "2024-07-01 9:00+02:00"])).timezone == "UTC"


@pytest.mark.parametrize("offset", ["+1", "+1:30", "-5", "+130", " -5"])
def test_an_offset_that_is_none_of_iso_8601_makes_a_time_unreadable(offset: str) -> None:
    assert np.isnat(parse_times(pd.Series([f"2024-07-01T00:00{offset}", f"2024-07-02T00:00{offset}"])).values).all()
