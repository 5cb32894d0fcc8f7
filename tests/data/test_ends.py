"""Where a series of a table ends: with its last row, or with its last value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import PanelReading, read_panel
from forecaster.errors import SeriesError

NAN = float("nan")
DAYS = pd.date_range("2024-01-01", periods=8)


def table(**changes: Any) -> pd.DataFrame:
    """Series a with 4 days and 2 ahead, b with 3 and 1 ahead; the second value of b is missing."""
    columns = {
        "unique_id": [*"aaaaaabbbb"],
        "ds": [*DAYS[:6], *DAYS[:4]],
        "y": [0, 1, 2, 3, NAN, NAN, 4, NAN, 6, NAN],
        "promo": np.arange(10.0),
    }
    return pd.DataFrame({**columns, **changes})


def read(frame: pd.DataFrame, ends: str = "value", **settings: Any) -> PanelReading:
    return read_panel(frame, TableConfig(ends=ends, **{"known_columns": ("promo",), **settings}))


def test_rows_after_the_last_value_are_known_ahead_as_those_of_a_future_table() -> None:
    frame = table()
    is_ahead = [row in (4, 5, 9) for row in range(10)]
    history, future = frame[~np.array(is_ahead)], frame[is_ahead].drop(columns="y")
    beside = read_panel(history, TableConfig(known_columns=("promo",)), future=future)
    within = read(frame)
    assert within.panel.fingerprint() == beside.panel.fingerprint()
    assert within.report.findings == beside.report.findings
    assert within.report.covariates == beside.report.covariates


def test_by_default_a_series_ends_with_its_last_row() -> None:
    reading = read(table(), "row")
    assert reading.panel.lengths.tolist() == [6, 4]
    assert reading.report.covariates[0].steps_ahead == (0, 0)


def test_a_step_ahead_without_a_row_is_missing() -> None:
    panel = read(table().drop(index=4)).panel
    assert panel.lengths.tolist() == [4, 3]
    np.testing.assert_equal(panel.covariates.known[:6, 0], [0, 1, 2, 3, NAN, 5])


def test_leading_missing_values_are_cut_off_all_the_same() -> None:
    reading = read(table(y=[NAN, 1, 2, 3, NAN, NAN, 4, NAN, 6, NAN]))
    assert reading.panel.lengths.tolist() == [3, 3]
    assert reading.report.num_leading_trimmed == 1
    np.testing.assert_equal(reading.panel.covariates.known[:5, 0], [1, 2, 3, 4, 5])


def test_a_series_without_a_value_is_refused() -> None:
    with pytest.raises(SeriesError, match="first 'b'") as caught:
        read(table(y=[0, 1, 2, 3, NAN, NAN, NAN, NAN, NAN, NAN]))
    assert caught.value.code == "no-observed-value"


def test_past_columns_end_with_the_series() -> None:
    panel = read(table(seen=np.arange(10.0)), past_columns=("seen",)).panel
    np.testing.assert_equal(panel.covariates.past[:, 0], [0, 1, 2, 3, 6, 7, 8])


def test_each_series_of_a_wide_table_ends_with_its_own_last_value() -> None:
    wide = pd.DataFrame({"ds": DAYS[:4], "a": [1, 2, NAN, NAN], "b": [1, 2, 3, NAN], "promo": [1.0, 2, 3, 4]})
    panel = read(wide, layout="wide").panel
    assert panel.lengths.tolist() == [2, 3]
    assert np.diff(panel.covariates.known_offsets).tolist() == [4, 4]
