"""Where tables come from and go to: CSV, Parquet and SQL in, CSV and Parquet out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import sqlalchemy

from pipelines.config import SourceConfig
from pipelines.errors import SourceError

ROWS_PER_CHUNK = 1_000_000
_ALL_ROWS = 2**31 - 1


def read_table(source: SourceConfig) -> pd.DataFrame:
    """Reads the whole table. Raises SourceError that names the file or the database (never its password)."""
    return pd.concat(read_chunks(source, None), ignore_index=True)


def read_chunks(source: SourceConfig, num_rows: int | None = ROWS_PER_CHUNK) -> Iterator[pd.DataFrame]:
    """Yields the table in parts of at most `num_rows` rows, at least one part even if the table is empty.

    None: all in one part. Raises SourceError as `read_table` does.
    """
    if source.path is not None and source.url is not None:
        raise SourceError("both a file and a database are given as source; choose one")
    if source.path is not None:
        yield from _file_chunks(source.path, num_rows)
    elif source.url is not None and source.query:
        yield from _sql_chunks(source.url, source.query, num_rows)
    elif source.url is not None:
        raise SourceError("a database source needs a query (source.query or --query)")
    else:
        raise SourceError("no data is named: give --data FILE, or --sql URL with --query")


def _file_chunks(path: Path, num_rows: int | None) -> Iterator[pd.DataFrame]:
    if not path.is_file():
        raise SourceError(f"data file {path} does not exist" if not path.exists() else f"{path} is not a file")
    suffixes = "".join(path.suffixes[-2:]).lower()
    if not suffixes.endswith((".parquet", ".csv", ".csv.gz")):
        raise SourceError(f"data file {path} has none of the known endings .csv, .csv.gz, .parquet")
    try:
        yield from _parquet_chunks(path, num_rows) if suffixes.endswith(".parquet") else _csv_chunks(path, num_rows)
    except (ValueError, OSError) as error:  # ParserError, EmptyDataError, UnicodeDecodeError, ArrowInvalid
        raise SourceError(f"data file {path} cannot be read: {_first_line(error)}") from error


def _csv_chunks(path: Path, num_rows: int | None) -> Iterator[pd.DataFrame]:
    if num_rows is None:
        yield pd.read_csv(path, low_memory=False)
        return
    with pd.read_csv(path, low_memory=False, chunksize=num_rows) as reader:
        yield from reader


def _parquet_chunks(path: Path, num_rows: int | None) -> Iterator[pd.DataFrame]:
    if num_rows is None:
        yield pd.read_parquet(path)
        return
    with pyarrow.parquet.ParquetFile(path) as file:
        empty = file.schema_arrow.empty_table().to_pandas()
        batches = (batch.to_pandas() for batch in file.iter_batches(num_rows))
        yield next(batches, empty)
        yield from batches


def _sql_chunks(url: str, query: str, num_rows: int | None) -> Iterator[pd.DataFrame]:
    try:
        engine = sqlalchemy.create_engine(url)
    except (sqlalchemy.exc.ArgumentError, ModuleNotFoundError) as error:
        raise SourceError(f"the database URL cannot be used: {type(error).__name__}") from error
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect().execution_options(stream_results=num_rows is not None) as connection:
            chunks = pd.read_sql_query(sqlalchemy.text(query), connection, chunksize=num_rows or _ALL_ROWS)
            yield from chunks
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise SourceError(f"the query at {shown} failed: {_first_line(error)}") from error
    finally:
        engine.dispose()


def check_output(path: Path) -> None:
    """Raises SourceError where a table could not be written to `path`, before any work is done for it."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SourceError(f"output file {path} must end in .csv or .parquet")
    if not path.parent.is_dir():
        raise SourceError(f"the folder of output file {path} does not exist")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table as CSV or Parquet, all or nothing: a failed write leaves what was there before."""
    check_output(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".forecaster-", dir=path.parent) as draft_folder:
            draft = Path(draft_folder) / path.name
            if path.suffix.lower() == ".csv":
                frame.to_csv(draft, index=False)
            else:
                frame.to_parquet(draft, index=False)
            draft.replace(path)
    except OSError as error:
        raise SourceError(f"output file {path} cannot be written: {error.strerror}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
