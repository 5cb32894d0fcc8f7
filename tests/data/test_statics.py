from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.errors import ColumnError, DataError, SeriesError, ValueTypeError

NAN = float("nan")


def table(**columns: Any) -> pd.DataFrame:
    """Series a, b and c with two steps each, in interleaved rows."""
    return pd.DataFrame({"unique_id": [*"abcabc"], "ds": [0, 0, 0, 1, 1, 1], "y": 1.0, **columns})


def read(frame: pd.DataFrame, static: pd.DataFrame | None = None, **settings: Any) -> Panel:
    return read_panel(frame, TableConfig(**settings), static=static).panel


def test_numbers_are_static_numbers_and_texts_categories() -> None:
    panel = read(table(size=["1", "2", "", "1", "2", ""], store=[*"XYZXYZ"]), static_columns=("store", "size"))
    held = panel.covariates
    assert (held.static_names, held.category_names) == (("size",), ("store",))
    np.testing.assert_equal(held.static, [[1], [2], [NAN]])
    assert held.categories.tolist() == [["X"], ["Y"], ["Z"]]


def test_one_cell_speaks_for_the_series_and_empty_ones_say_nothing() -> None:
    frame = table(store=[None, "Y", " ", "X", None, ""], size=[NAN, 2, NAN, 1, NAN, NAN])
    held = read(frame, static_columns=("store", "size")).covariates
    assert held.categories.tolist() == [["X"], ["Y"], [None]]
    np.testing.assert_equal(held.static, [[1], [2], [NAN]])


def test_numbers_can_be_read_as_categories() -> None:
    held = read(table(code=[1, 2, NAN] * 2, flag=[True, False, True] * 2), category_columns=("code", "flag")).covariates
    assert held.categories.tolist() == [["1", "True"], ["2", "False"], [None, "True"]]
    assert held.static_names == ()


@pytest.mark.parametrize(
    ("values", "shown"),
    [(["X", "Y", "Z", "X", "W", "Z"], "'Y' .row 2. and 'W' .row 5."), ([1, 2, 3, 1, 4, 3], "2 .row 2. and 4 .row 5.")],
)
def test_a_column_that_changes_within_a_series_is_not_static(values: list[object], shown: str) -> None:
    with pytest.raises(ColumnError, match=f"series 'b' has in the static column 'store' the values {shown}") as caught:
        read(table(store=values), static_columns=("store",))
    assert caught.value.code == "not-static"


@pytest.mark.parametrize("value", [np.inf, "1e31"])
def test_static_numbers_are_finite(value: object) -> None:
    frame = table(size=[1, 2, value] * 2)
    with pytest.raises(ValueTypeError, match=r"series 'c' has in the static column 'size' the value .* .row 3."):
        read(frame, static_columns=("size",))
    if value == np.inf:
        assert np.isnan(read(frame, static_columns=("size",), infinite="missing").covariates.static[2, 0])


def test_series_of_one_value_of_the_group_column_share_a_group() -> None:
    panel = read(table(region=["N", "S", "N"] * 2), group_column="region")
    assert panel.group_numbers.tolist() == [0, 1, 0]
    assert panel.covariates.is_empty


def test_series_without_a_group_are_alone() -> None:
    assert not read(table(region=["N", None, None] * 2), group_column="region").is_grouped


def test_a_static_table_has_one_row_per_series_in_any_order() -> None:
    static = pd.DataFrame({"unique_id": [*"ca"], "store": ["Z", "X"], "size": [3, 1]})
    held = read(table(), static).covariates
    assert held.categories.tolist() == [["X"], [None], ["Z"]]
    np.testing.assert_equal(held.static, [[1], [NAN], [3]])


STATIC_AND_TABLE = {
    "numbers": ([1, NAN, NAN, NAN, 2, NAN], [3, NAN], [[1], [2], [3]]),
    "whole numbers": ([1, 2, 3] * 2, [3, 1], [[1], [2], [3]]),
    "numbers and texts of numbers": ([1, 2, NAN] * 2, ["3", " "], [[1], [2], [3]]),
    "nothing and numbers": ([None] * 6, [3, 1], [[1], [NAN], [3]]),
}


@pytest.mark.parametrize("case", STATIC_AND_TABLE)
def test_a_column_of_both_tables_is_filled_from_either(case: str) -> None:
    here, beside, wanted = STATIC_AND_TABLE[case]
    static = pd.DataFrame({"unique_id": [*"ca"], "size": beside})
    reading = read_panel(table(size=here), TableConfig(static_columns=("size",)), static=static)
    np.testing.assert_equal(reading.panel.covariates.static, wanted)
    assert reading.report.unused_columns == ()


def test_categories_and_groups_of_both_tables_are_filled_from_either() -> None:
    frame = table(store=["X", None, None] * 2, code=[7, NAN, 9] * 2, region=["N", None, "N"] * 2)
    static = pd.DataFrame({"unique_id": [*"ba"], "store": ["Y", "X"], "code": [8, 7], "region": ["S", "N"]})
    panel = read(frame, static, static_columns=("store",), category_columns=("code",), group_column="region")
    assert panel.covariates.category_names == ("store", "code")
    assert panel.covariates.categories.tolist() == [["X", "7"], ["Y", "8"], [None, "9"]]
    assert panel.group_numbers.tolist() == [0, 1, 0]


def test_a_static_table_that_says_otherwise_than_the_table_is_refused() -> None:
    config = {"static_columns": ("size",)}
    static = pd.DataFrame({"unique_id": [*"ca"], "size": [3.0, 9.0]})
    message = r"series 'a' has in the static column 'size' the values 1.0 .row 1. and 9.0 .row 2 of the static table.:"
    with pytest.raises(ColumnError, match=message) as caught:
        read(table(size=[1.0, 2.0, 3.0] * 2), static, **config)
    assert caught.value.code == "contradiction"
    with pytest.raises(ColumnError, match=r"1.0 .row 1. and 4.0 .row 4.") as caught:
        read(table(size=[1, 2, 3, 4, 2, 3]), static, **config)
    assert caught.value.code == "not-static"
    with pytest.raises(ValueTypeError, match=r"series 'c' .* the value inf .row 1 of the static table."):
        read(table(size=[1.0, 2.0, 3.0] * 2), static.replace(3.0, np.inf), **config)
    with pytest.raises(ColumnError, match=r"'N' .row 1. and 'S' .row 1 of the static table."):
        read(table(region=[*"NNN"] * 2), pd.DataFrame({"unique_id": ["a"], "region": ["S"]}), group_column="region")


def test_only_the_columns_named_are_read_from_a_static_table() -> None:
    static = pd.DataFrame({"unique_id": [*"abc"], "store": [*"XYZ"], "size": [1, 2, 3], "region": [*"NNS"]})
    panel = read(table(colour=[*"rgb"] * 2), static, static_columns=("size", "colour"), group_column="region")
    assert (panel.covariates.static_names, panel.covariates.category_names) == (("size",), ("colour",))
    assert panel.group_numbers.tolist() == [0, 0, 1]


def test_a_static_table_speaks_of_the_series_of_a_wide_table() -> None:
    wide = pd.DataFrame({"a": [1.0, 2.0], "b": [NAN, 4.0]})
    panel = read(wide, pd.DataFrame({"unique_id": ["b", "a"], "store": ["Y", "X"]}))
    assert panel.covariates.categories.tolist() == [["X"], ["Y"]]
    assert panel.group_numbers.tolist() == [0, 0]
    grouped = read(wide, pd.DataFrame({"unique_id": ["b", "a"], "region": ["Y", "X"]}), group_column="region")
    assert not grouped.is_grouped


BAD: dict[str, tuple[dict[str, list[object]], type[DataError], str]] = {
    "two rows of one series": ({"unique_id": ["a", "a"], "size": [1, 1]}, SeriesError, "series 'a' has more than one"),
    "an unknown series": ({"unique_id": ["a", "x"], "size": [1, 1]}, SeriesError, "series 'x' is not among"),
    "no ids": ({"name": ["a", "b"], "size": [1, 1]}, ColumnError, "no column 'unique_id'"),
    "a null id": ({"unique_id": ["a", None], "size": [1, 1]}, SeriesError, "no id in row 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_static_tables_are_refused(case: str) -> None:
    columns, error, message = BAD[case]
    with pytest.raises(error, match=message):
        read(table(), pd.DataFrame(columns))


def test_lists_are_no_static_values() -> None:
    with pytest.raises(ColumnError, match="static column 'size' holds values that are no texts or numbers"):
        read(table(size=[[1], [2], [3]] * 2), static_columns=("size",))


def test_a_static_column_that_is_nowhere_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"no column 'store'.*`static_columns`"):
        read(table(), static_columns=("store",))
    with pytest.raises(ColumnError, match=r"no column 'region'.*`group_column`"):
        read(table(), group_column="region")


def test_a_wide_table_has_no_static_columns_of_its_own() -> None:
    with pytest.raises(ColumnError, match="'b' cannot be a static column of a wide table"):
        read(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 3.0]}), static_columns=("b",))


def test_report_tells_the_covariates_and_groups() -> None:
    frame = table(size=[1, 2, NAN] * 2, store=[*"XYZ"] * 2, region=["N", "S", "N"] * 2, load=[1, 2, 3, 4, 5, NAN])
    config = TableConfig(past_columns=("load",), static_columns=("size", "store"), group_column="region")
    report = read_panel(frame, config).report
    facts = [(found.name, found.kind, found.num_missing, found.steps_ahead) for found in report.covariates]
    assert facts == [("load", "past", 1, None), ("size", "static", 1, None), ("store", "category", 0, None)]
    assert (report.num_groups, report.unused_columns) == (2, ())
    assert "groups      2" in report.lines()
