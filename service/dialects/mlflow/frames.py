"""A long table in the cells of JSON or CSV -> the columns that a model reads, for the door of files.

    {"columns": ["ds", "y"], "data": [["2024-01-01", 1.0], ...]}   or   [{"ds": "2024-01-01", "y": 1.0}, ...]

Here is seen to what cells are and how many; what is wrong with ids, times and numbers, `read_panel` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import pandas as pd
from pydantic import Field, StrictStr, TypeAdapter, ValidationError

from forecaster.config import ModelConfig
from forecaster.errors import SeriesError
from service.errors import InvalidFields
from service.schemas import Name, Text
from service.settings import Settings
from service.tables.points import num_points_of
from service.tables.roles import GROUP, ID, TARGET, Role, Roles, roles_of

OPTIONAL = (Role.GROUP, Role.ID)  # what MLflow's clients may leave out: a table without ids is one series

_MOST_COLUMNS = 1_000
# Cells of one table, by the points of one request: not all columns hold points, and rows that lack some take no bytes.
_CELLS_PER_POINT = 8
_SCALARS = frozenset({str, int, float, bool, type(None)})
_TEXTS: Mapping[Role, TypeAdapter[list[str]]] = MappingProxyType(
    {
        Role.ID: TypeAdapter(list[Name]),
        Role.TIME: TypeAdapter(list[Annotated[StrictStr, Field(max_length=40, pattern="^[ -~]*$")]]),
    }
)
_ANY_TEXT: TypeAdapter[list[str]] = TypeAdapter(list[Text])


@dataclass(frozen=True)
class Sheet:
    """A table as it was sent: the names of its columns, rows that it has at most, and how to read some columns."""

    names: Sequence[str]
    max_rows: int
    read: Callable[[Roles], pd.DataFrame]


@dataclass(frozen=True)
class FrameIn:
    """The columns of a table that a model reads, its points, and the columns that are not read."""

    frame: pd.DataFrame
    num_points: int
    unused: tuple[str, ...]


def frame_of(sheet: Sheet, model: ModelConfig, settings: Settings) -> FrameIn:
    """Gives what a model reads of a table. A table without ids is one series, as for MLflow's models.

    InvalidFields for columns and cells that are not what they should be and for more of them than allowed, SeriesError
    for a table without rows.
    """
    roles = _roles(sheet.names, model)
    _refuse_many("rows", sheet.max_rows, settings.max_points)
    _refuse_many("cells", sheet.max_rows * len(sheet.names), _CELLS_PER_POINT * settings.max_points)
    frame = sheet.read(roles)
    if not len(frame):
        raise SeriesError("the table has no rows", code="empty-table")
    for name, role in roles.items():
        _refuse_texts(frame[name], role)
    ids = frame[ID] if ID in frame else pd.Series("", index=frame.index)
    _refuse_many("series", ids.nunique(), settings.max_series)
    num_points = num_points_of(ids, frame[TARGET], model)
    _refuse_many("points", num_points, settings.max_points)
    return FrameIn(frame, num_points, tuple(name for name in sheet.names if name not in roles))


def column_of(name: str, cells: Sequence[object]) -> pd.Series:
    """Gives a column [R] of cells of JSON; InvalidFields names the first row with what is no text and no number."""
    wrong = next((row for row, cell in enumerate(cells, 1) if type(cell) not in _SCALARS or not _is_small(cell)), None)
    if wrong is not None:
        raise InvalidFields.of(name, f"in row {wrong}: is no text, number or boolean, or a number out of range")
    return pd.Series(cells)


def _is_small(cell: object) -> bool:
    """Says whether a cell is anything but an integer of more than 64 bits."""
    return type(cell) is not int or -(1 << 63) <= cell < 1 << 63


def _roles(names: Sequence[str], model: ModelConfig) -> Roles:
    if len(names) > _MOST_COLUMNS:
        raise InvalidFields.of("body", f"{len(names)} columns, at most {_MOST_COLUMNS} are allowed")
    if GROUP in names and model.channels == "group":
        raise InvalidFields.of(GROUP, "is not read here: MLflow's models forecast each series alone")
    roles = roles_of(model, names, OPTIONAL)
    doubled = next((name for name in roles if names.count(name) > 1), None)
    if doubled is not None:
        raise InvalidFields.of(doubled, "is the name of more than one column")
    return roles


def _refuse_many(what: str, found: int, most: int) -> None:
    if found > most:
        raise InvalidFields.of("body", f"{found} {what}, at most {most} are allowed")


def _refuse_texts(column: pd.Series, role: Role) -> None:
    """Refuses texts that are too long or not printable; each is looked at once."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return
    texts = [cell for cell in column.unique() if isinstance(cell, str)]
    try:
        _TEXTS.get(role, _ANY_TEXT).validate_python(texts)
    except ValidationError as error:
        field = InvalidFields.from_validation(error).fields[0]
        wrong = texts[int(field["field"].split(".")[0])]
        row = 1 + int((column == wrong).to_numpy().argmax())
        raise InvalidFields.of(str(column.name), f"in row {row}: {field['message']}") from error
