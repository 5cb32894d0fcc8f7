"""The tables that clients of MLflow send, in JSON and in CSV -> sheets, and the parameters beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from forecaster.data.csv_options import csv_options
from service.dialects.documents import document_of
from service.dialects.mlflow.frames import Sheet, column_of
from service.errors import InvalidFields, InvalidTable
from service.tables.roles import TEXTS, Roles

_SPLIT, _RECORDS, _PARAMS = "dataframe_split", "dataframe_records", "params"
_TENSORS = ("instances", "inputs")


@dataclass(frozen=True)
class Invocation:
    """A table, and the parameters of the model that stand beside it."""

    sheet: Sheet
    params: Mapping[str, object]


def invocation_of(content: bytes) -> Invocation:
    """Gives what a body of JSON holds: exactly one of dataframe_split and dataframe_records, and perhaps params."""
    document = document_of(content)
    if not isinstance(document, dict):
        raise InvalidFields.of("body", f"must be a JSON object with {_SPLIT} or {_RECORDS}")
    for name in document:
        if name in _TENSORS:
            raise InvalidFields.of(name, f"has no names of columns: send the table as {_SPLIT} or {_RECORDS}")
        if name not in (_SPLIT, _RECORDS, _PARAMS):
            raise InvalidFields.of(name, f"is unknown: {_SPLIT}, {_RECORDS} and {_PARAMS} are read")
    if (_SPLIT in document) == (_RECORDS in document):
        raise InvalidFields.of("body", f"needs {_SPLIT} or {_RECORDS}, one of the two")
    params = document.get(_PARAMS)
    if not isinstance(params, dict | None):
        raise InvalidFields.of(_PARAMS, "must be a JSON object")
    return Invocation(_split(document[_SPLIT]) if _SPLIT in document else _records(document[_RECORDS]), params or {})


def csv_sheet(content: bytes) -> Sheet:
    """Gives the table of a CSV text in UTF-8 with a header; InvalidTable where it is none."""
    try:
        text = content.decode("utf-8-sig")
        head = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = (row for row in head if row)
        names, first = next(rows, []), next(rows, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidTable("the body is no CSV in UTF-8 with a header") from error
    if len(first) > len(names):
        raise InvalidTable(f"the first row has {len(first)} cells for {len(names)} columns")
    max_rows = text.count("\n") + text.count("\r") - text.count("\r\n")

    def read(roles: Roles) -> pd.DataFrame:
        texts = {name for name, role in roles.items() if role in TEXTS}
        try:
            table: pd.DataFrame = pd.read_csv(io.StringIO(text), **csv_options(names, texts))
            return table[list(roles)]  # `usecols` would let rows be longer
        except (ValueError, OverflowError, LookupError) as error:  # of the parser too
            raise InvalidTable("the body is no CSV with a header, and as many cells in all rows") from error

    return Sheet(names, max_rows, read)


def _split(table: object) -> Sheet:
    if not isinstance(table, dict):
        raise InvalidFields.of(_SPLIT, "must be a JSON object of columns and data")
    unknown = next((name for name in table if name not in ("index", "columns", "data")), None)
    if unknown is not None:
        raise InvalidFields.of(f"{_SPLIT}.{unknown}", "is unknown: columns, data and index are read")
    names, rows = _names(table.get("columns")), table.get("data")
    if not isinstance(rows, list):
        raise InvalidFields.of(f"{_SPLIT}.data", "must be a list of rows")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            found = f"has {len(row)} cells" if isinstance(row, list) else "is no list"
            raise InvalidFields.of(f"{_SPLIT}.data", f"row {number} {found}: wanted are {len(names)} cells")
    places = {name: place for place, name in enumerate(names)}
    return _sheet(names, len(rows), lambda name: [row[places[name]] for row in rows])


def _names(found: object) -> Sequence[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InvalidFields.of(f"{_SPLIT}.columns", "must be a list of the names of the columns")
    return found


def _records(table: object) -> Sheet:
    if not isinstance(table, list):
        raise InvalidFields.of(_RECORDS, "must be a list of JSON objects, one for each row")
    wrong = next((number for number, row in enumerate(table, 1) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise InvalidFields.of(_RECORDS, f"row {wrong} is no JSON object")
    names = dict.fromkeys(name for row in table for name in row)
    return _sheet(list(names), len(table), lambda name: [row.get(name) for row in table])


def _sheet(names: Sequence[str], num_rows: int, cells: Callable[[str], Sequence[object]]) -> Sheet:
    def read(roles: Roles) -> pd.DataFrame:
        return pd.DataFrame({name: column_of(name, cells(name)) for name in roles})

    return Sheet(names, num_rows, read)
