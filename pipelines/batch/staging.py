"""Rows of a CSV file or a query as a Parquet file, which can be read from any row on; so are those of one piece.

A query is run once: a run that is gone on with forecasts the rows that it gave then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy

from forecaster.config import TableConfig
from forecaster.data.cells import shown
from forecaster.data.columns import DEFAULT_TIME_COLUMN
from forecaster.data.numbers import is_plainly_numeric, parse_covariate, parse_numbers
from forecaster.data.statics import category_text
from forecaster.errors import ColumnError, ValueTypeError, reason_of
from forecaster.whole_file import flush
from pipelines.config import SourceConfig
from pipelines.errors import SourceError
from pipelines.sources import NO_URL, ROWS_PER_CHUNK, read_chunks, refuse_none, text_columns

_MOST_ROWS_OF_A_GROUP = 4 * ROWS_PER_CHUNK  # more of them would be read for each of the shards within


def data_digest(source: SourceConfig) -> str:
    """Gives the digest of a file, or of a query and where it is run, without its password; SourceError without one."""
    if source.path is None:
        refuse_none(source)
        try:
            where = sqlalchemy.make_url(source.url or "").set(password=None).render_as_string()
        except sqlalchemy.exc.ArgumentError as error:  # its text may hold the password
            raise SourceError(NO_URL) from error
        return f"query-sha256:{hashlib.sha256(f'{where}: {source.query}'.encode()).hexdigest()}"
    try:
        with source.path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise SourceError(f"data file {source.path} cannot be read: {error.strerror}") from error


def rows_of(source: SourceConfig, table: TableConfig, staged: Path) -> Path:
    """Gives a Parquet file with the rows of a source: the file itself where it can be read in parts, else `staged`.

    Raises what reading the source raises; ValueTypeError for what is no number.
    """
    if source.path is not None and _can_be_read_in_parts(source.path):
        return source.path.absolute()
    if not staged.exists():
        draft = staged.with_suffix(".draft")
        _write(_tables(source, table), draft)
        flush(draft)
        draft.replace(staged)
    return staged.absolute()


def is_parquet(path: Path) -> bool:
    """Says whether a file is a Parquet file, by its name."""
    return path.suffix.lower() == ".parquet"


def _can_be_read_in_parts(path: Path) -> bool:
    if not is_parquet(path):
        return False
    try:
        metadata = pq.read_metadata(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"data file {path} cannot be read: {reason_of(error)}") from error
    groups = (metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
    return max(groups, default=0) <= _MOST_ROWS_OF_A_GROUP


def _write(tables: Iterator[pa.Table], path: Path) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="snappy") as writer:
        writer.write_table(first)
        num_rows = len(first)
        for rows in tables:
            writer.write_table(_alike(rows, first.schema, num_rows))
            num_rows += len(rows)


def _alike(rows: pa.Table, schema: pa.Schema, num_before: int) -> pa.Table:
    """Gives rows with the types of the first ones; ColumnError where they cannot have them."""
    for field in schema:
        try:
            rows = rows.set_column(rows.schema.get_field_index(field.name), field, rows[field.name].cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ColumnError(
                f"column {field.name!r} holds {field.type} in its first {num_before} rows and "
                f"{rows[field.name].type} after them",
                code="mixed-types",
            ) from error
    return rows


def _tables(source: SourceConfig, table: TableConfig) -> Iterator[pa.Table]:
    num_rows = 0
    if source.path is not None and is_parquet(source.path):
        with pq.ParquetFile(source.path) as file:
            wanted = [name for name in _wanted(table) if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS_PER_CHUNK, columns=wanted):
                yield pa.Table.from_batches([batch])
        return
    for chunk in read_chunks(source, text_columns(table)):
        found = [name for name in _wanted(table) if name in chunk]
        doubled = next((name for name in found if isinstance(chunk[name], pd.DataFrame)), None)
        if doubled is not None:
            raise ColumnError(f"there are two columns named {doubled!r}", code="duplicate-column")
        columns = {name: _column(chunk[name], table, num_rows) for name in found}
        yield pa.table(columns)
        num_rows += len(chunk)


def _wanted(table: TableConfig) -> tuple[str, ...]:
    keys = (table.id_column, table.time_column or DEFAULT_TIME_COLUMN)
    return (*keys, *_numbers(table), *table.static_columns, *table.category_columns)


def _numbers(table: TableConfig) -> tuple[str, ...]:
    return (table.target_column, *table.past_columns, *table.known_columns)


def _column(column: pd.Series, table: TableConfig, num_before: int) -> pa.Array:
    """Gives a column as it is read wherever it stands: numbers as float64, what is no number, time or id as text.

    So a gap in one chunk, which makes floats of whole numbers, changes neither a number nor a category.
    """
    if column.name in _numbers(table):
        parse = parse_numbers if column.name == table.target_column else parse_covariate
        values, wrong = parse(column)
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueTypeError(
                f"row {num_before + first + 1} has in column {column.name!r} the value {shown(column.iloc[first])}, "
                "which is not a number",
                code="not-a-number",
            )
        return pa.array(values, from_pandas=True)
    if column.name in table.static_columns and is_plainly_numeric(column.dtype):
        return pa.array(column.to_numpy(dtype=np.float64, na_value=np.nan), from_pandas=True)
    if column.name in table.category_columns:
        return pa.array([None if pd.isna(cell) else category_text(cell) for cell in column], pa.string())
    if column.dtype.kind == "M" or pd.api.types.is_integer_dtype(column.dtype):
        return pa.Array.from_pandas(column)
    return pa.array([None if pd.isna(cell) else str(cell) for cell in column], pa.string())
