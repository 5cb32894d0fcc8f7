"""Where tables come from and go to: CSV, Parquet and SQL in, CSV and Parquet out."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet

from forecaster.config import TableConfig
from forecaster.data.csv_options import csv_options
from forecaster.errors import ColumnError, reason_of
from pipelines.config import SourceConfig
from pipelines.errors import SourceError

if TYPE_CHECKING:
    import sqlalchemy

ROWS_PER_CHUNK = 1_000_000
NO_URL = "the database URL is none; wanted one such as postgresql+psycopg2://host/database"
_ALL_ROWS = 2**31 - 1


def text_columns(table: TableConfig) -> tuple[str, ...]:
    """Gives the columns of a table that are texts whatever they look like: ids, categories and groups."""
    return (table.id_column, *table.category_columns, *((table.group_column,) if table.group_column else ()))


def read_table(source: SourceConfig, texts: Sequence[str]) -> pd.DataFrame:
    """Reads the whole table. Raises SourceError that names the file or the database (never its password).

    Columns of these names in a CSV file are read as the texts they are: '007' stays '007', and 'NA' is no gap. What a
    Parquet file says is the index of its table stays that.
    """
    (table,) = read_chunks(source, texts, None)
    return table


def read_chunks(
    source: SourceConfig, texts: Sequence[str], num_rows: int | None = ROWS_PER_CHUNK
) -> Iterator[pd.DataFrame]:
    """Yields the table in parts of at most `num_rows` rows, at least one part even if the table is empty.

    None: all in one part. Raises SourceError as `read_table` does.
    """
    refuse_two(source)
    refuse_none(source)
    if source.path is not None:
        yield from _file_chunks(source.path, texts, num_rows)
    elif source.url is not None and source.query:
        yield from _sql_chunks(source.url, source.query, num_rows)


def refuse_none(source: SourceConfig) -> None:
    """Raises SourceError where neither a file is given nor a database with a query."""
    if source.path is None and source.url is None:
        raise SourceError("no data is named: give --data FILE, or --sql URL with --query")
    if source.path is None and not source.query:
        raise SourceError("a database source needs a query (source.query or --query)")


def refuse_two(source: SourceConfig) -> None:
    """Raises SourceError where both a file and a database are given."""
    if source.path is not None and (source.url is not None or source.query is not None):
        raise SourceError("both a file and a database or query are given as source; choose one")


def _file_chunks(path: Path, texts: Sequence[str], num_rows: int | None) -> Iterator[pd.DataFrame]:
    suffixes = "".join(path.suffixes[-2:]).lower()
    try:
        if not path.is_file():
            raise SourceError(f"data file {path} does not exist" if not path.exists() else f"{path} is not a file")
        if not suffixes.endswith((".parquet", ".csv", ".csv.gz")):
            raise SourceError(f"data file {path} has none of the known endings .csv, .csv.gz, .parquet")
        if suffixes.endswith(".parquet"):
            yield from _parquet_chunks(path, num_rows)
        else:
            yield from _csv_chunks(path, texts, num_rows)
    # ParserError, EmptyDataError, UnicodeDecodeError and ArrowInvalid; the others are of broken .gz files
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise SourceError(f"data file {path} cannot be read: {reason_of(error)}") from error


def _csv_chunks(path: Path, texts: Sequence[str], num_rows: int | None) -> Iterator[pd.DataFrame]:
    wanted = csv_options(_checked_header(path), texts)
    if num_rows is None:
        yield pd.read_csv(path, **wanted)
        return
    with pd.read_csv(path, chunksize=num_rows, **wanted) as reader:
        yield from reader


def _checked_header(path: Path) -> list[str]:
    """Gives the names of the columns.

    Refuses what pandas would read otherwise than meant: other separators, repeated names, a longer first row. Two
    columns of one name it renames, the surplus of a longer first row it takes for row labels. A longer row further
    down it refuses itself.
    """
    head = pd.read_csv(path, header=None, nrows=2, dtype=str)
    names = head.iloc[0].dropna()
    separators = [mark for mark in ";\t|" if len(names) == 1 and mark in names.iloc[0]]
    if separators:
        raise SourceError(f"the columns of data file {path} are separated by {separators[0]!r}: wanted commas")
    if names.duplicated().any():
        doubled = names[names.duplicated()].iloc[0]
        raise ColumnError(f"data file {path} has two columns named {doubled!r}", code="duplicate-column")
    return [str(name) for name in pd.read_csv(path, nrows=0).columns]


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
    import sqlalchemy  # which a file does not wait for

    try:
        engine = sqlalchemy.create_engine(url)
    except ModuleNotFoundError as error:
        raise SourceError(f"the database URL needs a driver that is not installed: {error.name}") from error
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # its text may hold the password
        raise SourceError(NO_URL) from error
    _refuse_new_file(engine.url)
    shown = engine.url.set(query={}).render_as_string(hide_password=True)  # a query may hold a password, too
    try:
        with engine.connect().execution_options(stream_results=num_rows is not None) as connection:
            chunks = pd.read_sql_query(sqlalchemy.text(query), connection, chunksize=num_rows or _ALL_ROWS)
            yield from chunks
    except (sqlalchemy.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        reason = error.__cause__ if isinstance(error, pd.errors.DatabaseError) else None
        raise SourceError(f"the query at {shown} failed: {reason_of(reason or error)}") from error
    finally:
        engine.dispose()


def _refuse_new_file(url: sqlalchemy.URL) -> None:
    """Refuses an SQLite file that is not there: connecting to it would make an empty one."""
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and not file.startswith(("file:", ":memory:")) and not Path(file).is_file():
        raise SourceError(f"database file {file} does not exist")


def check_output(path: Path, source: SourceConfig | None = None) -> None:
    """Raises SourceError where a table made from `source` could not be written to `path`, before any work is done."""
    try:
        is_folder, is_beside = path.is_dir(), path.parent.is_dir()
    except OSError as error:
        raise SourceError(f"output file {path} cannot be written: {error.strerror}") from error
    if is_folder:
        raise SourceError(f"output file {path} is a folder")
    read = {} if source is None else {"data": source.path, "future": source.future, "static": source.static}
    for what, other in read.items():
        if other is not None and path.resolve() == other.resolve():
            raise SourceError(f"output file {path} is the {what} file: name another one")
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SourceError(f"output file {path} must end in .csv or .parquet")
    if not is_beside:
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
