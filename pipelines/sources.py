"""Where tables come from and go to: CSV, Parquet and SQL in, CSV and Parquet out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import sqlalchemy

from pipelines.config import SourceConfig
from pipelines.errors import SourceError


def read_table(source: SourceConfig) -> pd.DataFrame:
    """Reads the whole table. Raises SourceError that names the file or the database (never its password)."""
    if source.path is not None and source.url is not None:
        raise SourceError("both a file and a database are given as source; choose one")
    if source.path is not None:
        return _read_file(source.path)
    if source.url is not None:
        if not source.query:
            raise SourceError("a database source needs a query (source.query or --query)")
        return _read_sql(source.url, source.query)
    raise SourceError("no data is named: give --data FILE, or --sql URL with --query")


def _read_file(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise SourceError(f"data file {path} does not exist" if not path.exists() else f"{path} is not a file")
    suffixes = "".join(path.suffixes[-2:]).lower()
    try:
        if suffixes.endswith(".parquet"):
            return pd.read_parquet(path)
        if suffixes.endswith((".csv", ".csv.gz")):
            return pd.read_csv(path, low_memory=False)
    except (ValueError, OSError) as error:  # ParserError, EmptyDataError, UnicodeDecodeError, ArrowInvalid
        raise SourceError(f"data file {path} cannot be read: {_first_line(error)}") from error
    raise SourceError(f"data file {path} has none of the known endings .csv, .csv.gz, .parquet")


def _read_sql(url: str, query: str) -> pd.DataFrame:
    try:
        engine = sqlalchemy.create_engine(url)
    except (sqlalchemy.exc.ArgumentError, ModuleNotFoundError) as error:
        raise SourceError(f"the database URL cannot be used: {type(error).__name__}") from error
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            return pd.read_sql_query(sqlalchemy.text(query), connection)
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
