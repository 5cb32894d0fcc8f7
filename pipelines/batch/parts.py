"""Forecasts as Arrow columns, and parts as an output: the same columns and types as a table that is forecast whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecaster.types import Forecast, level_name

_DAY_AND_TIME = "%Y-%m-%d %H:%M:%S"


def forecast_table(forecast: Forecast, id_column: str, time_column: str) -> pa.Table:
    """Gives one row per series and step: id, timestamp, then one column per level, as `Forecast.to_frame` does."""
    num_series, horizon, _ = forecast.values.shape
    whose = np.repeat(np.arange(num_series), horizon)
    steps = np.tile(np.arange(horizon, dtype=np.int64), num_series)
    stored = forecast.axis.frequency.advance(np.repeat(forecast.starts, horizon), steps)
    columns = {
        id_column: pa.array(forecast.series_ids, pa.string()).take(pa.array(whose)),
        time_column: _timestamps(forecast.axis.label(stored)),
    }
    for place, level in enumerate(forecast.levels):
        columns[level_name(level)] = pa.array(forecast.values[:, :, place].ravel(), from_pandas=True)
    return pa.table(columns)


def _timestamps(labels: pd.Index) -> pa.Array:
    if isinstance(labels, pd.DatetimeIndex) and labels.tz is not None:
        # Arrow keeps instants in UTC beside the name of the zone, and asks pandas for them in a way that it deprecates.
        kind = pa.timestamp(labels.unit, pa.lib.tzinfo_to_string(labels.tz))
        return pa.array(labels.tz_convert(None).to_numpy(), kind)
    return pa.array(labels.to_numpy())


def write_part(table: pa.Table, path: Path) -> str:
    """Writes a table as a Parquet file whose bytes follow from its content; gives their SHA-256.

    A dictionary would not make quantiles smaller: no two are alike.
    """
    keys = table.column_names[:2]
    pq.write_table(table, path, compression="snappy", use_dictionary=keys)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_piece(table: pa.Table, path: Path) -> None:
    """Writes a table that is read again by this program alone: fast, with a checksum of each page."""
    pq.write_table(
        table, path, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )


def read_piece(path: Path) -> pa.Table | None:
    """Reads what `write_piece` wrote; None where it is not there, or not whole after a loss of power."""
    try:
        return pq.read_table(path, use_threads=False, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None


def write_parquet(parts: list[Path], path: Path) -> None:
    """Writes all parts as one Parquet file, in their order, holding one of them in memory at a time."""
    schema = pq.read_schema(parts[0])
    with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=schema.names[:2]) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part, use_threads=False))


def write_csv(parts: list[Path], path: Path) -> None:
    """Writes all parts as one CSV file, in their order, holding one of them in memory at a time."""
    has_hours = any(_has_hours(_times(part)) for part in parts)
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(parts):
            table = pq.read_table(part, use_threads=False).to_pandas()
            # pandas leaves the time of day out of a table in which it is midnight everywhere, if it has no zone
            times = table.iloc[:, 1]
            form = _DAY_AND_TIME if has_hours and _is_plain(times) and not _has_hours(times) else None
            table.to_csv(file, index=False, header=number == 0, date_format=form)


def _times(part: Path) -> pd.Series:
    """Gives the second column of a part."""
    times: pd.Series = pq.read_table(part, columns=[pq.read_schema(part).names[1]], use_threads=False)[0].to_pandas()
    return times


def _is_plain(times: pd.Series) -> bool:
    """Says whether timestamps are without a zone, whose offset they would be written with."""
    return not isinstance(times.dtype, pd.DatetimeTZDtype)


def _has_hours(times: pd.Series) -> bool:
    """Says whether a timestamp is at another time of day than midnight."""
    return pd.api.types.is_datetime64_any_dtype(times) and bool((times != times.dt.normalize()).any())
