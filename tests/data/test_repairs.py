from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import PanelReading, read_panel
from forecaster.errors import DataError, TimestampError, ValueTypeError

NAN = float("nan")


def read(ids: str, times: object, values: object, **settings: object) -> PanelReading:
    return read_panel(pd.DataFrame({"unique_id": [*ids], "ds": times, "y": values}), TableConfig(**settings))


def repairs(reading: PanelReading) -> list[tuple[str, str | None, str, int, str | None]]:
    return [(f.code, f.series_id, f.timestamp, f.count, f.repair) for f in reading.report.findings if f.repair]


@pytest.mark.parametrize(
    ("ids", "times", "values", "error", "code", "message"),
    [
        ("aab", [0, 1, 0], [1, np.inf, -np.inf], ValueTypeError, "infinite",
         r"series 'a' has in row 2, at 1, the value inf, which is infinite \(2 such"),
        ("aab", [0, 1, 0], [1, 2, -2e30], ValueTypeError, "value-out-of-range",
         r"'b' has in row 3, .* beyond \+/- 1e\+30"),
        ("aaab", [0, 2, 1, 0], 1.0, TimestampError, "unsorted",
         r"'a': timestamp 1 in row 3 comes after a later one \(1 such .*unsorted='sort'"),
        ("aaab", [0, 1, 1, 0], 1.0, TimestampError, "duplicate-timestamp",
         r"'a': timestamp 1 in row 3 is there more than once \(1 such .*`duplicates`"),
        ("abab", [0, 0, 0, 1], 1.0, TimestampError, "duplicate-timestamp", "'a': timestamp 0 in row 3"),
        ("aaaa", [0, 1, 0, 1], 1.0, TimestampError, "duplicate-timestamp", "name their ids with `id_column`"),
    ],
)  # fmt: skip
def test_problems_are_refused_unless_repair_is_asked_for(
    ids: str, times: list[int], values: object, error: type[DataError], code: str, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        read(ids, times, values)
    assert caught.value.code == code


def test_the_hour_that_repeats_in_autumn_is_a_duplicate_with_a_hint() -> None:
    first = pd.date_range("2024-10-27", periods=3, freq="h")
    with pytest.raises(
        TimestampError, match=r"2024-10-27T02:00:00 in row 4 .* when clocks go back, give offsets or UTC"
    ):
        read("aaaaaa", first.append(first + pd.Timedelta(hours=2)), 1.0)


def test_days_get_no_hint_about_clocks() -> None:
    with pytest.raises(TimestampError, match=r"`duplicates`; if the table holds several series, .*`id_column`$"):
        read("aaaa", pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03"]), 1.0)


def test_infinite_values_are_read_as_missing_where_that_is_set() -> None:
    reading = read("aaa", [0, 1, 2], [1, np.inf, -np.inf], infinite="missing")
    np.testing.assert_array_equal(reading.panel.values, [1, NAN, NAN])
    assert repairs(reading) == [("infinite", "a", "1", 2, "read as missing")]


def test_rows_are_sorted_where_that_is_set() -> None:
    reading = read("abaa", [2, 7, 0, 1], [3, 9, 1, 2], unsorted="sort")
    assert reading.panel.values.tolist() == [1, 2, 3, 9]
    assert repairs(reading) == [("unsorted", "a", "0", 1, "sorted")]


@pytest.mark.parametrize(("rule", "expected"), [("first", [1, 5, NAN]), ("last", [NAN, 5, 4]), ("mean", [1.5, 5, 4])])
def test_duplicates_are_merged_by_the_rule_that_is_set(rule: str, expected: list[float]) -> None:
    reading = read("a" * 6, [0, 0, 0, 1, 2, 2], [1, 2, NAN, 5, NAN, 4], duplicates=rule)
    observed = np.array(expected)[np.isnan(expected[0]).astype(int) :]  # a leading missing value is cut off
    np.testing.assert_array_equal(reading.panel.values, observed)
    [finding] = repairs(reading)
    assert finding[:4] == ("duplicate-timestamp", "a", "0", 3)


def test_sorting_keeps_the_order_of_duplicates() -> None:
    settings = {"unsorted": "sort", "duplicates": "last"}
    assert read("aaaa", [1, 0, 1, 0], [1, 2, 3, 4], **settings).panel.values.tolist() == [4, 3]


def test_duplicates_are_refused_even_where_sorting_is_allowed() -> None:
    with pytest.raises(TimestampError, match="in row 3 is there more than once"):
        read("aaa", [1, 0, 1], 1.0, unsorted="sort")


def test_rows_of_wide_tables_are_repaired_for_all_series() -> None:
    table = pd.DataFrame({"ds": [1, 0, 1], "a": [1.0, 2.0, 3.0], "b": [4.0, np.inf, 6.0]})
    config = TableConfig(unsorted="sort", duplicates="mean", infinite="missing")
    reading = read_panel(table, config)
    assert reading.panel.target(0).tolist() == [2.0, 2.0]
    assert reading.panel.target(1).tolist() == [5.0]
    assert [finding[:4] for finding in repairs(reading)] == [
        ("infinite", "b", "0", 1),
        ("unsorted", None, "0", 1),
        ("duplicate-timestamp", None, "1", 1),
    ]
