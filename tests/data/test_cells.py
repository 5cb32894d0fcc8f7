from __future__ import annotations

import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.cells import read_cells, shown
from forecaster.data.columns import find_layout
from forecaster.errors import DataError, SeriesError, TimestampError, ValueTypeError

LONG = {"unique_id": [*"aab"], "ds": ["2024-01-01", "2024-01-02", "2024-01-01"], "y": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    ("columns", "error", "code", "message"),
    [
        ({"unique_id": ["a", None, None]}, SeriesError, "null-id", r"'unique_id' has no id in row 2 \(2 row"),
        ({"unique_id": [1, "1", "b"]}, SeriesError, "ambiguous-id", "different ids that are all written '1'"),
        ({"unique_id": [[1], [1], [2]]}, SeriesError, "invalid-id", "ids that are no texts or numbers"),
        ({"ds": ["2024", "2025", None]}, TimestampError, "null-timestamp", r"'b' has in row 3 no timestamp .*\(1 row"),
        (
            {"ds": ["2024", "2025", "x" * 50]},
            TimestampError,
            "unparsable-timestamp",
            r"'b' has in row 3 timestamp 'x{36}\.\.\., which is not ISO 8601 \(1 row",
        ),
        ({"ds": [1.5, 2, 3]}, TimestampError, "not-timestamps", "time column 'ds' holds values of type floating"),
        (
            {"y": ["1", "abc", "def"]},
            ValueTypeError,
            "not-a-number",
            r"'a' has in row 2 of column 'y' the value 'abc', which is not a number \(2 row",
        ),
        ({"y": [True, False, True]}, ValueTypeError, "not-a-number", "'a' has in row 1 .* True, which is not a number"),
    ],
)
def test_unusable_cells_are_named_with_their_series_row_and_count(
    columns: dict[str, object], error: type[DataError], code: str, message: str
) -> None:
    table = pd.DataFrame({**LONG, **columns})
    with pytest.raises(error, match=message) as caught:
        read_cells(table, find_layout(table, TableConfig()))
    assert caught.value.code == code


def test_in_a_wide_table_the_column_is_the_series() -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "3"]})
    with pytest.raises(ValueTypeError, match="series 'b' has in row 1 of column 'b' the value 'x'"):
        read_cells(table, find_layout(table, TableConfig()))


def test_long_values_are_quoted_shortened() -> None:
    assert shown("x" * 99) == "'" + "x" * 36 + "..."
    assert shown(1.5) == "1.5"
