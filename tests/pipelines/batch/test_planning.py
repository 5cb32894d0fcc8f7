"""Shards: whole series, cut the same whatever the row groups are; what cannot be cut is refused by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecaster.errors import ColumnError, SeriesError
from pipelines.batch import planning
from pipelines.batch.planning import plan_shards


def stored(ids: object, folder: Path, row_group_size: int = 1000) -> Path:
    pq.write_table(pa.table({"unique_id": pa.array(ids)}), folder / "ids.parquet", row_group_size=row_group_size)
    return folder / "ids.parquet"


@pytest.mark.parametrize("row_group_size", [1, 3, 4, 7, 1000])
def test_shards_hold_whole_series_however_the_rows_are_grouped(row_group_size: int, tmp_path: Path) -> None:
    ids = ["a"] * 2 + ["b"] + ["c"] * 7 + ["d"] * 3 + ["e"]
    shards = plan_shards(stored(ids, tmp_path, row_group_size), "unique_id", 2)
    assert [(shard.begin, shard.end, shard.num_series) for shard in shards] == [(0, 3, 2), (3, 13, 2), (13, 14, 1)]
    assert [(shard.first_id, shard.last_id) for shard in shards] == [("a", "b"), ("c", "d"), ("e", "e")]


def test_shards_cover_every_row_once(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(1, 9, 200)
    shards = plan_shards(stored(np.repeat(np.arange(200), lengths), tmp_path, 37), "unique_id", 7)
    assert [shard.begin for shard in shards] == [0, *(shard.end for shard in shards[:-1])]
    assert shards[-1].end == lengths.sum()
    assert sum(shard.num_series for shard in shards) == 200


def test_a_shard_of_long_series_has_fewer_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MOST_ROWS", 5)
    shards = plan_shards(stored(["a"] * 2 + ["b"] * 3 + ["c"] * 9 + ["d"], tmp_path), "unique_id", 100)
    assert [shard.num_series for shard in shards] == [2, 1, 1]


@pytest.mark.parametrize("row_group_size", [2, 100])
def test_a_series_in_two_places_is_refused_with_both_rows(row_group_size: int, tmp_path: Path) -> None:
    path = stored(["a", "a", "b", "b", "c", "a"], tmp_path, row_group_size)
    with pytest.raises(SeriesError, match=r"series 'a' do not stand together: they begin in row 1 and again in row 6"):
        plan_shards(path, "unique_id", 2)


def test_a_row_without_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="no id in row 4"):
        plan_shards(stored(["a", "a", "b", None], tmp_path, 2), "unique_id", 2)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="the table has no rows"):
        plan_shards(stored(pa.array([], pa.string()), tmp_path), "unique_id", 2)


def test_ids_that_are_no_texts_or_integers_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="ids of type double"):
        plan_shards(stored([1.0, 2.0], tmp_path), "unique_id", 2)
    with pytest.raises(ColumnError, match="no column 'store'"):
        plan_shards(stored(["a"], tmp_path), "store", 2)


def test_ids_in_a_dictionary_are_texts(tmp_path: Path) -> None:
    path = stored(pd.Categorical(["b", "b", "a"], categories=["a", "b", "c"]), tmp_path)
    assert [shard.first_id for shard in plan_shards(path, "unique_id", 1)] == ["b", "a"]
