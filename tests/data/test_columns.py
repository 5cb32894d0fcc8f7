from __future__ import annotations

import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.columns import Layout, find_layout, with_named_columns
from forecaster.errors import ColumnError, DataError

DAYS = pd.date_range("2024-01-01", periods=3)
TEXTS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def layout_of(table: pd.DataFrame, **settings: str) -> Layout:
    config = TableConfig(**settings)
    return find_layout(with_named_columns(table, config), config)


def test_a_table_with_the_target_column_is_long_and_lists_what_it_leaves_unused() -> None:
    table = pd.DataFrame({"price": 1.0, "y": 2.0, "ds": DAYS, "unique_id": "a", "note": "x"})
    assert layout_of(table) == Layout("long", "unique_id", "ds", ("y",), ("price", "note"))


def test_a_long_table_needs_no_ids() -> None:
    assert layout_of(pd.DataFrame({"ds": DAYS, "y": 1.0})) == Layout("long", None, "ds", ("y",), ())


def test_names_of_a_long_table_are_settings() -> None:
    table = pd.DataFrame({"store": "a", "day": DAYS, "sales": 1.0})
    layout = layout_of(table, id_column="store", time_column="day", target_column="sales")
    assert layout == Layout("long", "store", "day", ("sales",), ())


@pytest.mark.parametrize("name", ["date", "DATE", "timestamp", "ds"])
@pytest.mark.parametrize("times", [DAYS, TEXTS, ["1/2/2024"] * 3])
def test_the_only_column_of_timestamps_is_the_time_of_a_wide_table(name: str, times: object) -> None:
    table = pd.DataFrame({"a": 1.0, name: times, "b": ["1", "2", "3"]})
    assert layout_of(table) == Layout("wide", None, name, ("a", "b"), ())


def test_a_wide_table_without_timestamps_counts_its_rows() -> None:
    assert layout_of(pd.DataFrame({0: [1.0], 1: [2.0]})) == Layout("wide", None, None, ("0", "1"), ())


def test_integer_times_of_a_wide_table_are_named_or_called_ds() -> None:
    table = pd.DataFrame({"ds": [1, 2], "step": [1, 2], "a": [1.0, 2.0]})
    assert layout_of(table).time_column == "ds"
    assert layout_of(table, time_column="step").value_columns == ("ds", "a")


def test_a_wide_table_may_have_a_series_called_like_the_target() -> None:
    assert layout_of(pd.DataFrame({"y": [1.0], "z": [2.0]}), layout="wide").value_columns == ("y", "z")


def test_times_and_ids_in_the_index_are_columns() -> None:
    wide = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=DAYS)
    assert layout_of(wide) == Layout("wide", None, "ds", ("a",), ())
    assert layout_of(wide.rename_axis("day")).time_column == "day"
    assert layout_of(wide.to_period("D"), time_column="t").time_column == "t"
    long = pd.DataFrame({"unique_id": "a", "ds": [1, 2, 3], "y": 1.0}).set_index(["unique_id", "ds"])
    assert layout_of(long) == Layout("long", "unique_id", "ds", ("y",), ())


def test_other_indexes_are_left_alone() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([5, 7], name="row"))
    assert layout_of(table).value_columns == ("a",)


@pytest.mark.parametrize(
    ("table", "settings", "message", "code"),
    [
        ({"unique_id": ["a"], "y": [1.0]}, {}, r"no column 'ds' \(the columns are .*`time_column`", "missing-column"),
        (
            {"ds": DAYS, "y": 1.0},
            {"time_column": "t"},
            r"no column 't' \(the columns are 'ds', 'y'\)",
            "missing-column",
        ),
        ({"a": [1.0]}, {"time_column": "t"}, "no column 't' .*`time_column`", "missing-column"),
        ({"ds": DAYS, "v": 1.0}, {"layout": "long"}, "no column 'y' .*`target_column`", "missing-column"),
        ({"ds": DAYS}, {}, "no column of values", "missing-column"),
        ({"unique_id": "a", "ds": DAYS, "v": 1.0}, {}, "id column 'unique_id' .* no target 'y'", "ambiguous-layout"),
        ({"t": DAYS, "u": TEXTS, "v": 1.0}, {}, "'t', 'u' all hold timestamps", "ambiguous-layout"),
        ({"ds": DAYS, "y": 1.0}, {"target_column": "ds"}, "cannot play two roles", "ambiguous-layout"),
        ({"1": [1.0], 1: [2.0]}, {}, "two columns named '1'", "duplicate-column"),
        ({"ds": [], "y": []}, {}, "no rows", "empty-table"),
    ],
)
def test_unclear_layouts_are_refused(
    table: dict[str, object], settings: dict[str, str], message: str, code: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        layout_of(pd.DataFrame(table), **settings)
    assert caught.value.code == code


def test_an_error_lists_only_the_first_of_many_columns() -> None:
    with pytest.raises(ColumnError, match=r"'c19' and 80 more\)"):
        layout_of(pd.DataFrame([[1.0] * 100], columns=[f"c{i}" for i in range(100)]), layout="long")


def test_the_table_itself_is_not_changed() -> None:
    table = pd.DataFrame({0: [1.0, 2.0, 3.0]}, index=DAYS)
    before = table.copy()
    layout_of(table)
    pd.testing.assert_frame_equal(table, before)
