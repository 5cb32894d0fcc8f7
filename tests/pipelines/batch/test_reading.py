"""Rows of a shard: the panel that `read_panel` gives, by whichever way they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import read_panel
from forecaster.errors import DataError
from pipelines.batch import reading
from pipelines.batch.planning import plan_shards
from pipelines.batch.reading import Rows
from tests.factories import random_panel
from tests.pipelines.batch.factories import hours

Change = Callable[[pd.DataFrame], pd.DataFrame]
HOURS = hours()


def of_frequency(frequency: str, timezone: str | None = None) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    panel = random_panel(generator, num_series=9, shortest=3, missing_share=0.2, frequency=frequency, timezone=timezone)
    return panel.to_frame()


def without_nulls_at_the_start(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y=frame["y"].where(np.arange(len(frame)) % 30 > 3))


PLAIN: dict[str, tuple[pd.DataFrame, str]] = {
    "hours": (HOURS, "h"),
    "integers as values": (HOURS.assign(y=(HOURS["y"] * 10).astype(int)), "h"),
    "nulls, leading ones too": (without_nulls_at_the_start(HOURS), "h"),
    "integers as ids": (HOURS.assign(unique_id=HOURS["unique_id"].str[1:].astype(int)), "h"),
    "categories as ids": (HOURS.astype({"unique_id": "category"}), "h"),
    "nanoseconds": (HOURS.astype({"ds": "datetime64[ns]"}), "h"),
    "float32": (HOURS.astype({"y": "float32"}), "h"),
    "series of all lengths": (of_frequency("h"), "h"),
    "days in a zone": (of_frequency("D", "Europe/Berlin"), "D"),
    "hours in a zone": (of_frequency("h", "Europe/Berlin"), "h"),
    "months": (of_frequency("MS"), "MS"),
    "business days": (of_frequency("B"), "B"),
    "weeks": (of_frequency("W-MON"), "W-MON"),
    "steps": (of_frequency("step"), "step"),
}
FOUND: dict[str, pd.DataFrame] = {
    "texts as times": HOURS.assign(ds=HOURS["ds"].dt.strftime("%Y-%m-%d %H:%M")),
    "gaps": HOURS[np.arange(len(HOURS)) % 7 != 3],
    "another start": HOURS.assign(ds=HOURS["ds"] + pd.to_timedelta(HOURS["unique_id"].str[1:].astype(int), "h")),
}
REFUSED: dict[str, pd.DataFrame] = {
    "unsorted": HOURS.iloc[[1, 0, *range(2, len(HOURS))]],
    "repeated": HOURS.iloc[[0, 0, *range(1, len(HOURS))]],
    "infinite": HOURS.assign(y=HOURS["y"].where(HOURS.index != 5, np.inf)),
    "too large": HOURS.assign(y=HOURS["y"].where(HOURS.index != 5, 1e31)),
    "empty series": HOURS.assign(y=HOURS["y"].where(HOURS["unique_id"] != "s002")),
    "off the grid": HOURS.assign(ds=HOURS["ds"].where(HOURS.index != 7, HOURS["ds"] + pd.Timedelta("7min"))),
    "null time": HOURS.assign(ds=HOURS["ds"].where(HOURS.index != 7)),
    "texts as values": HOURS.assign(y="three"),
    "no values": HOURS.drop(columns="y"),
    "dates as integers": HOURS.assign(ds=202401 + np.arange(len(HOURS)) % 30),
}


def read_in_shards(frame: pd.DataFrame, table: TableConfig, folder: Path) -> list[str]:
    frame.to_parquet(folder / "rows.parquet", index=False, row_group_size=77)
    rows = Rows(folder / "rows.parquet", table)
    shards = plan_shards(folder / "rows.parquet", "unique_id", 4)
    assert len(shards) > 1
    return [rows.panel(shard).fingerprint() for shard in shards]


def read_apart(frame: pd.DataFrame, table: TableConfig) -> list[str]:
    ids = frame["unique_id"].astype(str)
    groups = np.unique(ids)
    return [
        read_panel(frame[ids.isin(groups[begin : begin + 4])], table).panel.fingerprint()
        for begin in range(0, len(groups), 4)
    ]


@pytest.mark.parametrize("case", PLAIN)
def test_plain_rows_are_the_panel_that_read_panel_gives_without_it(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, frequency = PLAIN[case]
    table = TableConfig(expected_frequency=frequency)
    expected = read_apart(frame, table)
    monkeypatch.delattr(reading, "read_panel")
    assert read_in_shards(frame, table, tmp_path) == expected


@pytest.mark.parametrize("case", FOUND)
def test_all_other_rows_are_read_as_every_table_is(case: str, tmp_path: Path) -> None:
    table = TableConfig(expected_frequency="h")
    assert read_in_shards(FOUND[case], table, tmp_path) == read_apart(FOUND[case], table)


@pytest.mark.parametrize("case", REFUSED)
def test_what_read_panel_refuses_is_refused_in_its_words(case: str, tmp_path: Path) -> None:
    table = TableConfig(expected_frequency="h")
    with pytest.raises(DataError) as expected:
        read_apart(REFUSED[case], table)
    with pytest.raises(type(expected.value)) as found:
        read_in_shards(REFUSED[case], table, tmp_path)
    assert found.value.code == expected.value.code
    if case != "no values":  # which lists all columns of the table
        assert str(found.value) == str(expected.value)
