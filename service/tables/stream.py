"""An Arrow IPC stream -> the columns that a model reads, as a table of pandas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from forecaster.config import ModelConfig
from forecaster.errors import SeriesError
from service.errors import InvalidFields, InvalidTable
from service.settings import Settings
from service.tables.columns import column_of, refuse_type
from service.tables.kinds import Validator
from service.tables.messages import check_messages
from service.tables.points import num_points_of
from service.tables.roles import ID, OPTIONAL, TARGET, Role, Roles, roles_of

if TYPE_CHECKING:
    import pyarrow

_MOST_COLUMNS = 1_000
_MOST_NAMES, _LONGEST_NAME = 50, 256  # of columns that are not read


@dataclass(frozen=True)
class TableFacts:
    """What the answer to a table has to know of it."""

    unused: tuple[str, ...]  # columns that are not read
    id_type: pyarrow.DataType | None  # of the column of ids, where there is one


@dataclass(frozen=True)
class TableIn:
    """The columns of a table that a model reads, and what else there is to know of it."""

    frame: pd.DataFrame
    num_points: int
    facts: TableFacts


def table_of(
    body: bytes,
    model: ModelConfig,
    settings: Settings,
    present: Sequence[str] = (),
    optional: Sequence[Role] = OPTIONAL,
) -> TableIn:
    """Gives what an Arrow IPC stream holds for a model; `present` names all columns where some were left out of it.

    A table without ids, if those are `optional`, is one series.

    InvalidTable and UnsupportedMediaType for a stream that is not to be read, InvalidFields for columns that are not
    what they should be and for more points than allowed, SeriesError for a table without rows.
    """
    check_messages(body, settings.max_points)
    types = _types(body)
    names = [name for name, _ in types]
    if len(names) > _MOST_COLUMNS:
        raise InvalidFields.of("body", f"{len(names)} columns, at most {_MOST_COLUMNS} are allowed")
    roles = roles_of(model, present or names, optional)
    for name, found in types:
        if name in roles:
            refuse_type(name, roles[name], found)
            if names.count(name) > 1:
                raise InvalidFields.of(name, "is the name of more than one column")
    chunks = _chunks(body, names, roles)
    if not sum(map(len, chunks[TARGET])):
        raise SeriesError("the table has no rows", code="empty-table")
    unused = tuple(name[:_LONGEST_NAME] for name in present or names if name not in roles)
    id_type = _held(chunks[ID][0].type) if ID in roles else None
    return _converted(chunks, roles, TableFacts(unused[:_MOST_NAMES], id_type), model, settings)


def _converted(
    chunks: Mapping[str, Sequence[pyarrow.Array]],
    roles: Roles,
    facts: TableFacts,
    model: ModelConfig,
    settings: Settings,
) -> TableIn:
    """Converts the ids and the target, by which points are counted, and then all other columns."""

    def column(name: str) -> pd.Series:
        return column_of(name, roles[name], chunks[name], settings.max_series)

    columns = {name: column(name) for name in (ID, TARGET) if name in roles}
    target = columns[TARGET]
    num_points = num_points_of(columns.get(ID, pd.Series("", index=target.index)), target, model)
    if num_points > settings.max_points:
        raise InvalidFields.of("body", f"{num_points} points, at most {settings.max_points} are allowed")
    columns |= {name: column(name) for name in roles if name not in columns}
    return TableIn(pd.DataFrame(columns), num_points, facts)


def _held(found: pyarrow.DataType) -> pyarrow.DataType:
    import pyarrow as pa

    return found.value_type if pa.types.is_dictionary(found) else found


def _types(body: bytes) -> list[tuple[str, pyarrow.DataType]]:
    """Gives the names and types of all columns."""
    import pyarrow as pa

    with _told_as_damage():
        schema = pa.ipc.open_stream(pa.py_buffer(body)).schema
        return [(field.name, field.type) for field in schema]


def _chunks(body: bytes, names: Sequence[str], roles: Roles) -> dict[str, list[pyarrow.Array]]:
    """Gives the arrays of the columns that have a role, validated."""
    places = [place for place, name in enumerate(names) if name in roles]
    chunks: dict[str, list[pyarrow.Array]] = {name: [] for name in roles}
    validator = Validator()
    for batch in _batches(body, places):
        for place, column in zip(places, batch.columns, strict=True):
            validator.check(column)
            chunks[names[place]].append(column)
    return chunks


def _batches(body: bytes, places: list[int]) -> Iterator[pyarrow.RecordBatch]:
    """Yields the record batches of a stream, of the columns at some places."""
    import pyarrow as pa

    with _told_as_damage():
        options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
        yield from pa.ipc.open_stream(pa.py_buffer(body), options=options)


@contextmanager
def _told_as_damage() -> Iterator[None]:
    """Makes InvalidTable of what the library raises for a damaged stream, and types that others register with it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidTable("the body is no Arrow IPC stream, or is damaged") from error
