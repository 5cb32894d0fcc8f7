"""Rows of queries and CSV files as Parquet: what a chunk makes of a column changes neither number nor category."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy

from forecaster.config import TableConfig
from forecaster.errors import ColumnError
from pipelines import sources
from pipelines.batch.staging import rows_of
from pipelines.config import SourceConfig


def queried(tmp_path: Path, frame: pd.DataFrame, query: str = "SELECT * FROM t") -> SourceConfig:
    url = f"sqlite:///{tmp_path / 'tables.db'}"
    engine = sqlalchemy.create_engine(url)
    frame.to_sql("t", engine, index=False)
    engine.dispose()
    return SourceConfig(url=url, query=query)


def staged(source: SourceConfig, table: TableConfig, tmp_path: Path) -> pa.Table:
    return pq.read_table(rows_of(source, table, tmp_path / "staged.parquet"))


FRAME = pd.DataFrame(
    {"unique_id": list("abc"), "ds": [f"2024-01-0{day}" for day in (1, 2, 3)], "y": 1.0, "kind": [1, 2, None]}
)


def test_whole_numbers_beside_a_gap_are_the_categories_that_they_are_without(tmp_path: Path) -> None:
    found = staged(queried(tmp_path, FRAME), TableConfig(category_columns=("kind",)), tmp_path)
    assert found["kind"].to_pylist() == ["1", "2", None]


def test_static_numbers_stay_numbers_where_a_later_chunk_has_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "ROWS_PER_CHUNK", 2)
    path = tmp_path / "gap.csv"
    frame = pd.concat([FRAME.assign(size=[7, 8, 9]), FRAME.assign(unique_id="d", size=None)])
    frame.to_csv(path, index=False)
    table = TableConfig(static_columns=("size",), category_columns=("kind",))
    found = staged(SourceConfig(path=path), table, tmp_path)
    assert found["size"].to_pylist() == [7.0, 8.0, 9.0, None, None, None]


def test_a_query_that_gives_a_column_twice_is_refused(tmp_path: Path) -> None:
    source = queried(tmp_path, FRAME, "SELECT unique_id, ds, y, y FROM t")
    with pytest.raises(ColumnError, match="two columns named 'y'") as caught:
        staged(source, TableConfig(), tmp_path)
    assert caught.value.code == "duplicate-column"
