from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import PanelReading, read_panel
from forecaster.errors import ColumnError, DataError, SeriesError, TimestampError, ValueTypeError

NAN = float("nan")
DAYS = pd.date_range("2024-01-01", periods=8)
CONFIG = TableConfig(known_columns=("promo",))


def history() -> pd.DataFrame:
    """Series a with 4 days, b with 3."""
    return pd.DataFrame(
        {
            "unique_id": [*"aaaabbb"],
            "ds": [*DAYS[:4], *DAYS[:3]],
            "y": np.arange(7.0),
            "promo": [0, 1, 0, 1, 5, 6, NAN],
        }
    )


def future(ids: object, days: list[int], promo: object, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": ids, "ds": DAYS[days], "promo": promo, **columns})


def read(ahead: pd.DataFrame, table: pd.DataFrame | None = None, **settings: Any) -> PanelReading:
    table = history() if table is None else table
    return read_panel(table, CONFIG.model_copy(update=settings), future=ahead)


def known(reading: PanelReading) -> list[list[float]]:
    held = reading.panel.covariates
    return [held.known[a:b, 0].tolist() for a, b in zip(held.known_offsets, held.known_offsets[1:], strict=False)]


def test_steps_ahead_follow_the_end_of_each_series() -> None:
    reading = read(future([*"bbaa"], [3, 4, 4, 5], [8, 9, 2, 3]))
    np.testing.assert_equal(known(reading), [[0, 1, 0, 1, 2, 3], [5, 6, NAN, 8, 9]])
    [facts] = reading.report.covariates
    assert (facts.name, facts.kind, facts.num_missing, facts.steps_ahead) == ("promo", "known", 1, (2, 2))


def test_without_a_future_table_nothing_is_known_ahead() -> None:
    reading = read_panel(history(), CONFIG)
    np.testing.assert_equal(known(reading), [[0, 1, 0, 1], [5, 6, NAN]])
    assert reading.report.covariates[0].steps_ahead == (0, 0)


def test_a_future_table_without_rows_is_none() -> None:
    np.testing.assert_equal(known(read(future([], [], []))), known(read_panel(history(), CONFIG)))


def test_a_series_may_have_no_future() -> None:
    np.testing.assert_equal(known(read(future([*"a"], [4], [2]))), [[0, 1, 0, 1, 2], [5, 6, NAN]])


def test_a_gap_between_steps_ahead_is_missing() -> None:
    np.testing.assert_equal(known(read(future([*"aa"], [4, 6], [2, 3])))[0], [0, 1, 0, 1, 2, NAN, 3])


def test_overlapping_rows_may_repeat_values_and_fill_missing_ones() -> None:
    reading = read(future([*"abbb"], [3, 1, 2, 3], [1, 6, 7, 8]))
    np.testing.assert_equal(known(reading), [[0, 1, 0, 1], [5, 6, 7, 8]])


def test_an_empty_cell_ahead_is_missing_and_contradicts_nothing() -> None:
    reading = read(future([*"aa"], [3, 4], ["", ""]))
    np.testing.assert_equal(known(reading)[0], [0, 1, 0, 1, NAN])


def test_steps_before_the_first_value_of_a_series_are_cut_off() -> None:
    table = history()
    table.loc[:1, "y"] = NAN
    np.testing.assert_equal(known(read(future([*"a"], [4], [2]), table))[0], [0, 1, 2])


def test_flags_are_numbers() -> None:
    table = history().assign(promo=[True, False, True, False, True, True, False])
    reading = read(future([*"a"], [4], [True]), table)
    assert known(reading) == [[1, 0, 1, 0, 1], [1, 1, 0]]


def test_a_wide_table_has_one_future_for_all_series() -> None:
    table = pd.DataFrame({"t": DAYS[:3], "a": [NAN, 2.0, 3.0], "b": 4.0, "promo": [1, 0, 1]})
    ahead = pd.DataFrame({"t": DAYS[3:5], "promo": [5, 6]})
    reading = read(ahead, table)
    assert known(reading) == [[0, 1, 5, 6], [1, 0, 1, 5, 6]]
    assert reading.panel.series_ids == ("a", "b")


def test_counted_rows_of_a_future_table_go_on_counting() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "promo": [1, 0, 1]})
    assert known(read(pd.DataFrame({"promo": [5, 6]}), table)) == [[1, 0, 1, 5, 6]]


def test_a_single_unnamed_series_needs_no_ids() -> None:
    table = history()[:4].drop(columns="unique_id")
    assert known(read(future("x", [4], [2]).drop(columns="unique_id"), table)) == [[0, 1, 0, 1, 2]]


def test_times_of_the_future_are_read_in_the_zone_of_the_table() -> None:
    index = pd.date_range("2024-10-26", periods=52, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"unique_id": "a", "ds": index[:26], "y": 1.0, "promo": 1})
    ahead = pd.DataFrame({"unique_id": "a", "ds": index[26:].tz_convert("UTC"), "promo": 2})
    assert known(read(ahead, table)) == [[1.0] * 26 + [2.0] * 26]


def test_repairs_apply_to_the_future_as_well() -> None:
    ahead = future([*"aaa"], [5, 4, 4], [3, 1, 2])
    reading = read(ahead, unsorted="sort", duplicates="last")
    np.testing.assert_equal(known(reading)[0], [0, 1, 0, 1, 2, 3])
    assert {found.code for found in reading.report.findings} >= {"unsorted", "duplicate-timestamp"}


BAD: dict[str, tuple[pd.DataFrame, type[DataError], str, str]] = {
    "of an unknown series": (
        future([*"ac"], [4, 4], 1),
        SeriesError,
        "unknown-series",
        "future table: it has rows of series 'c', which the table has not",
    ),
    "after a gap": (
        future([*"ba"], [3, 5], 1),
        TimestampError,
        "future-gap",
        "series 'a': timestamp 2024-01-06T00:00:00 in row 2 is the first one ahead, wanted is 2024-01-05T00:00:00",
    ),
    "that contradict": (
        future([*"a"], [3], 7),
        ValueTypeError,
        "contradiction",
        "series 'a' has in column 'promo' at 2024-01-04T00:00:00 the value 7.0, where the table has 1.0",
    ),
    "off the grid": (
        pd.DataFrame({"unique_id": ["a"], "ds": ["2024-01-05T12:00"], "promo": 1}),
        TimestampError,
        "off-grid",
        "2024-01-05T12:00:00 in row 1 is off the grid of frequency 'D'",
    ),
    "before the start": (
        pd.DataFrame({"unique_id": ["a"], "ds": ["2023-12-31"], "promo": 1}),
        TimestampError,
        "future-out-of-range",
        "2023-12-31T00:00:00 in row 1 is before the start of the series",
    ),
    "without the column": (
        future([*"a"], [4], 1).drop(columns="promo"),
        ColumnError,
        "missing-column",
        "future table: there is no column 'promo', which the table has",
    ),
    "without ids": (
        future([*"a"], [4], 1).drop(columns="unique_id"),
        ColumnError,
        "missing-column",
        "no column 'unique_id'",
    ),
    "of text": (
        future([*"a"], [4], "yes"),
        ValueTypeError,
        "not-a-number",
        "future table: series 'a' has in row 1 of column 'promo' the value 'yes'",
    ),
    "with infinity": (
        future([*"a"], [4], np.inf),
        ValueTypeError,
        "infinite",
        "future table: series 'a' has in row 1 of column 'promo', at 2024-01-05T00:00:00, the value inf",
    ),
    "twice": (
        future([*"aa"], [4, 4], 1),
        TimestampError,
        "duplicate-timestamp",
        "future table: series 'a': timestamp 2024-01-05T00:00:00 in row 2 is there more than once",
    ),
    "of integers": (
        pd.DataFrame({"unique_id": ["a"], "ds": [4], "promo": 1}),
        TimestampError,
        "frequency-mismatch",
        "future table: its time column holds integers",
    ),
    "with offsets": (
        pd.DataFrame({"unique_id": ["a"], "ds": ["2024-01-05T00:00Z"], "promo": 1}),
        TimestampError,
        "unexpected-offset",
        "future table: timestamps have an offset",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_do_not_continue_the_table_are_refused(case: str) -> None:
    ahead, error, code, message = BAD[case]
    with pytest.raises(error) as caught:
        read(ahead)
    assert message in str(caught.value)
    assert (caught.value.code, "\n" in str(caught.value)) == (code, False)


def test_a_timestamp_far_ahead_does_not_fill_memory() -> None:
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=4, freq="min"), "y": 1.0, "promo": 1})
    ahead = pd.DataFrame({"ds": ["2024-01-01T00:04", "2104-01-01T00:00"], "promo": 1})
    with pytest.raises(
        TimestampError, match=r"2104-01-01T00:00:00 in row 2 is .* steps ahead, and 1000000 are allowed"
    ):
        read(ahead, table)


def test_a_future_without_known_columns_is_refused() -> None:
    with pytest.raises(ColumnError, match="name them in `known_columns`"):
        read(future([*"a"], [4], 1), known_columns=())


def test_covariates_of_the_table_are_checked_as_the_target_is() -> None:
    table = history().assign(promo=["0", "1", "x", "1", "5", "6", ""])
    with pytest.raises(ValueTypeError, match="series 'a' has in row 3 of column 'promo' the value 'x'"):
        read_panel(table, CONFIG)
    with pytest.raises(ValueTypeError, match="in row 3 of column 'promo', at 2024-01-03T00:00:00, the value inf"):
        read_panel(table.replace("x", "inf"), CONFIG)
    with pytest.raises(ColumnError, match=r"no column 'price'.*`past_columns`"):
        read_panel(table, TableConfig(past_columns=("price",)))
    with pytest.raises(ColumnError, match="one column cannot play two roles"):
        read_panel(table, TableConfig(past_columns=("promo",), known_columns=("promo",)))


def test_repairs_apply_to_whole_rows() -> None:
    table = pd.concat([history(), history()[:1].assign(y=10.0, promo=4)], ignore_index=True)
    settings = {"unsorted": "sort", "infinite": "missing"}
    first, last, mean = (
        read_panel(table, CONFIG.model_copy(update={"duplicates": rule, **settings})).panel
        for rule in ("first", "last", "mean")
    )
    assert [(p.values[0], p.covariates.known[0, 0]) for p in (first, last, mean)] == [(0, 0), (10, 4), (5, 2)]


def test_covariates_are_not_unused_columns() -> None:
    report = read_panel(history().assign(other=1), CONFIG).report
    assert report.unused_columns == ("other",)
    assert any("'promo', known: 1 missing, 0 to 0 steps ahead" in line for line in report.lines())


def test_infinite_covariates_of_a_wide_table_are_a_finding_of_the_whole_table() -> None:
    table = pd.DataFrame({"t": DAYS[:3], "a": 2.0, "promo": [1, np.inf, 1]})
    reading = read_panel(table, CONFIG.model_copy(update={"infinite": "missing"}))
    np.testing.assert_equal(known(reading), [[1, NAN, 1]])
    assert [(f.series_id, f.count) for f in reading.report.findings if f.code == "infinite"] == [(None, 1)]
