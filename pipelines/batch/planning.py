"""Which rows of a Parquet file make a shard: whole series, cut by one pass over the column of ids.

    row groups    |------------|------------|------------|
    series        aaaabbbbbccccccdddddddeeeeeffffgggghhhhh
    shards        |--------------|-------------------|---|

The cut depends on the table and the size of shards alone, never on who forecasts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forecaster.arrays import IntArray
from forecaster.errors import ColumnError, SeriesError
from pipelines.batch.job import Shard

MOST_ROWS = 1 << 22  # of a shard, unless a single series has more


@dataclass(frozen=True)
class _Runs:
    """Where runs of rows of one id begin."""

    begins: IntArray  # [S] rows of the table, from 0
    ids: pa.ChunkedArray  # [S] texts
    num_rows: int


def plan_shards(path: Path, id_column: str, series_per_shard: int) -> tuple[Shard, ...]:
    """Cuts the rows of a Parquet file into shards of as many series, or of fewer where series are long.

    ColumnError where the column is not there or holds neither texts nor integers; SeriesError for a table without
    rows, a row without an id, and for a series whose rows do not stand together.
    """
    runs = _runs(path, id_column)
    _refuse_scattered(runs)
    return tuple(_shards(runs, series_per_shard))


def is_text(kind: pa.DataType) -> bool:
    """Says whether a column of this type holds texts, in whatever encoding."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _runs(path: Path, id_column: str) -> _Runs:
    begins: list[IntArray] = []
    ids: list[pa.Array] = []
    begin = 0
    _refuse_unfit(pq.read_schema(path), id_column)
    with pq.ParquetFile(path, read_dictionary=[id_column]) as file:
        for number in range(file.num_row_groups):
            column = file.read_row_group(number, [id_column], use_threads=False).column(0).combine_chunks()
            if not len(column):
                continue
            if column.null_count:
                row = begin + int(np.flatnonzero(column.is_null())[0]) + 1
                raise SeriesError(f"column {id_column!r} has no id in row {row}", code="null-id")
            starts, found = _changes(column)
            goes_on = bool(ids) and ids[-1][-1] == found[0]
            begins.append(begin + starts[goes_on:])
            ids.append(found[goes_on:] if len(found) > goes_on else found[:0])
            if not len(ids[-1]):
                ids.pop()
            begin += len(column)
    if not begin:
        raise SeriesError("the table has no rows", code="empty-table")
    return _Runs(np.concatenate(begins), pa.chunked_array(ids, pa.string()), begin)


def _refuse_unfit(schema: pa.Schema, id_column: str) -> None:
    if id_column not in schema.names:
        listed = ", ".join(map(repr, schema.names[:20]))
        raise ColumnError(
            f"there is no column {id_column!r} (read were {listed}): name the one to use with `id_column`; a table "
            "that is wide or has one series is forecast whole (--whole)",
            code="missing-column",
        )
    kind = schema.field(id_column).type
    if not is_text(kind) and not pa.types.is_integer(kind):
        raise ColumnError(
            f"column {id_column!r} holds ids of type {kind}: shards are cut by ids that are texts or integers"
        )


def _changes(column: Any) -> tuple[IntArray, pa.Array]:
    """Gives the places where an id differs from the one before it, the first included, and the ids there as texts."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy()
    places = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    return places, column.dictionary.take(pa.array(codes[places])).cast(pa.string())


def _refuse_scattered(runs: _Runs) -> None:
    """Refuses a series whose rows stand in several places: a shard would not hold all of it."""
    num_runs = len(runs.begins)
    if pc.count_distinct(runs.ids).as_py() == num_runs:
        return
    codes = runs.ids.combine_chunks().dictionary_encode().indices.to_numpy()
    again = np.setdiff1d(np.arange(num_runs), np.unique(codes, return_index=True)[1])
    second = int(again[0])
    first = int(np.flatnonzero(codes == codes[second])[0])
    raise SeriesError(
        f"the rows of series {runs.ids[second].as_py()!r} do not stand together: they begin in row "
        f"{runs.begins[first] + 1} and again in row {runs.begins[second] + 1} ({len(again)} such places): sort the "
        "table by series and time, or read it whole (--whole)",
        code="scattered-series",
    )


def _shards(runs: _Runs, series_per_shard: int) -> Iterator[Shard]:
    ends = np.append(runs.begins[1:], runs.num_rows)
    first, number = 0, 0
    while first < len(ends):
        fitting = int(np.searchsorted(ends, runs.begins[first] + MOST_ROWS, side="right"))
        after = max(first + 1, min(first + series_per_shard, fitting))
        yield Shard(
            number=number,
            begin=int(runs.begins[first]),
            end=int(ends[after - 1]),
            num_series=after - first,
            first_id=runs.ids[first].as_py(),
            last_id=runs.ids[after - 1].as_py(),
            longest=int((ends[first:after] - runs.begins[first:after]).max()),
        )
        first, number = after, number + 1
