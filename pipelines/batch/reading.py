"""The rows of a shard as a panel: at once where its series are regular, else as every table is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import TableConfig
from forecaster.data.columns import DEFAULT_TIME_COLUMN
from forecaster.data.panel import Panel
from forecaster.data.panel_checks import MAX_VALUE
from forecaster.data.reading import read_panel
from forecaster.data.timestamps import parse_times, zone_of_cells
from forecaster.errors import TimestampError
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.time.grid import StoredTimes
from pipelines.batch.job import Shard
from pipelines.batch.planning import is_text

# From here on integers may be dates (202401), which reading a table refuses.
_MAY_BE_DATES = 100_000


class Rows:
    """The rows of a Parquet file, read shard by shard with no thread but the caller's."""

    def __init__(self, path: Path, table: TableConfig) -> None:
        self._table = table
        self._time_column = table.time_column or DEFAULT_TIME_COLUMN
        self._file = pq.ParquetFile(path, read_dictionary=[table.id_column])
        metadata = self._file.metadata
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        wanted = (table.id_column, self._time_column, table.target_column, *_covariate_columns(table))
        self._columns = [name for name in wanted if name in self._file.schema_arrow.names]

    def panel(self, shard: Shard) -> Panel:
        """Gives the series of a shard as `read_panel` gives them; its errors count rows from the shard's first."""
        plain = self._plain(shard)
        return read_panel(_frame(self.read(shard)), self._table).panel if plain is None else plain

    def common_zone(self, zone: str | None) -> str | None:
        """Gives the time zone of all rows, of which some have that one: 'UTC' where texts have several offsets.

        TimestampError where some texts have an offset and others have none.
        """
        if not is_text(self._time_type()):
            return zone
        zones, sample = {zone}, None
        for group in range(self._file.num_row_groups):
            texts = self._file.read_row_group(group, [self._time_column], use_threads=False).column(0).unique()
            found = texts.drop_null().to_pandas()
            if found.empty:
                continue
            sample = sample or found.iloc[0]
            zones.add(zone_of_cells([sample, *found]))
        return zone if self._table.timezone is not None or len(zones) == 1 else "UTC"

    def _time_type(self) -> pa.DataType:
        return self._file.schema_arrow.field(self._time_column).type

    def read(self, shard: Shard) -> pa.Table:
        """Reads the columns that the config names."""
        return self._read(shard, self._columns)

    def _read(self, shard: Shard, columns: list[str]) -> pa.Table:
        first = int(np.searchsorted(self._offsets, shard.begin, side="right")) - 1
        after = int(np.searchsorted(self._offsets, shard.end))
        groups = self._file.read_row_groups(list(range(first, after)), columns, use_threads=False)
        return groups.slice(shard.begin - int(self._offsets[first]), shard.end - shard.begin)

    def _column(self, shard: Shard, name: str) -> pa.ChunkedArray:
        return self._read(shard, [name]).column(0)

    def _plain(self, shard: Shard) -> Panel | None:
        """Gives the panel of a table in which there is nothing to find or to repair; None for any other.

        Each series has then one row after the other of its steps, with numbers or nulls. Columns are read one by one:
        each is let go before the next, which halves what a process needs beside its model.
        """
        table, schema = self._table, self._file.schema_arrow
        alias = table.frequency or table.expected_frequency
        needed = (table.id_column, self._time_column, table.target_column)
        if alias is None or table.ends != "row" or _covariate_columns(table) or set(needed) - set(self._columns):
            return None
        if not _are_plain(*(schema.field(name).type for name in needed)):
            return None
        series = _series(self._column(shard, table.id_column))
        if series is None:
            return None
        begins, names = series
        offsets = np.append(begins, shard.end - shard.begin).astype(np.int64)
        starts = self._starts(shard, offsets, Frequency.parse(alias))
        values = None if starts is None else _numbers(self._column(shard, table.target_column))
        return None if starts is None or values is None else Panel(names, offsets, values, *starts).trimmed()

    def _starts(self, shard: Shard, offsets: IntArray, frequency: Frequency) -> tuple[StoredTimes, TimeAxis] | None:
        """Gives the first timestamp [S] of each series, on their axis; None where rows [offsets S + 1] skip a step."""
        times = self._column(shard, self._time_column)
        stored = None if times.null_count else _stored(times.to_pandas(), frequency, self._table.timezone)
        if stored is None or not _are_regular(frequency, stored[1], offsets):
            return None
        axis, instants = stored
        return instants[offsets[:-1]], axis


def _covariate_columns(table: TableConfig) -> tuple[str, ...]:
    return (*table.past_columns, *table.known_columns, *table.static_columns, *table.category_columns)


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Gives rows as pandas; texts in a dictionary would become categories."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).cast(field.type.value_type))
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def _are_plain(ids: pa.DataType, times: pa.DataType, target: pa.DataType) -> bool:
    are_ids = is_text(ids) or pa.types.is_integer(ids)
    are_times = pa.types.is_timestamp(times) or pa.types.is_integer(times)
    return bool(are_ids and are_times and (pa.types.is_floating(target) or pa.types.is_integer(target)))


def _series(ids: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...]] | None:
    """Gives the row [S] that each series begins with, and its id; None where a row has none."""
    if ids.null_count:
        return None
    column: Any = ids.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy()
    begins = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    names = column.dictionary.take(pa.array(codes[begins])).cast(pa.string()).to_pylist()
    return begins, tuple(names)


def _stored(column: pd.Series, frequency: Frequency, timezone: str | None) -> tuple[TimeAxis, StoredTimes] | None:
    """Gives the axis of timestamps and their stored times; None where reading the table has something to say."""
    try:
        times = parse_times(column)
        if times.are_steps != frequency.is_step or (times.are_steps and times.values.max() >= _MAY_BE_DATES):
            return None
        axis = TimeAxis(frequency, timezone or times.timezone)
        is_naive = times.timezone is None
        return axis, axis.store_naive(times.values) if is_naive else axis.store_utc(times.values)
    except TimestampError:
        return None


def _numbers(column: pa.ChunkedArray) -> FloatArray | None:
    """Gives numbers with NaN where there is none; None where one is infinite or out of range."""
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    return None if (np.abs(values) > MAX_VALUE).any() else values


def _are_regular(frequency: Frequency, times: StoredTimes, offsets: IntArray) -> bool:
    """Says whether the rows of each series [offsets S + 1] are its steps, one after the other."""
    lengths = np.diff(offsets)
    first = times[: lengths[0]]
    if (lengths == lengths[0]).all() and (times.reshape(len(lengths), -1) == first).all():
        times, lengths = first, lengths[:1]  # all series have the timestamps of the first
    starts = times[np.append(0, np.cumsum(lengths)[:-1])]
    steps = np.arange(len(times)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return bool((frequency.positions(np.repeat(starts, lengths), times) == steps).all())
