"""Which column of a table plays which role."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, NoReturn

import pandas as pd

from forecaster.config import TableConfig
from forecaster.data.numbers import is_plainly_numeric, parse_numbers
from forecaster.data.timestamps import parse_times
from forecaster.errors import ColumnError, SeriesError, TimestampError

DEFAULT_TIME_COLUMN = "ds"
_NAMES_SHOWN = 20
_NAMELESS = re.compile(r"Unnamed: \d+")  # what pandas calls a column of a CSV file whose name is empty


@dataclass(frozen=True)
class Layout:
    """The roles of a table's columns."""

    kind: Literal["long", "wide"]
    id_column: str | None  # None: one series (long), or one per column (wide)
    time_column: str | None  # None: rows are counted
    value_columns: tuple[str, ...]  # the target (long), or the series (wide)
    unused_columns: tuple[str, ...]
    past_columns: tuple[str, ...] = ()
    known_columns: tuple[str, ...] = ()
    static_columns: tuple[str, ...] = ()  # those that stand in this table, categories and the group's among them

    @property
    def number_columns(self) -> tuple[str, ...]:
        """All columns with one number per row: the values, then past, then known covariates."""
        return (*self.value_columns, *self.past_columns, *self.known_columns)


def with_named_columns(table: pd.DataFrame, config: TableConfig) -> pd.DataFrame:
    """Gives the table with texts as column names and times or ids that stand in the index as columns.

    SeriesError for a table without rows, ColumnError for two columns of one name.
    """
    if not len(table):
        raise SeriesError("the table has no rows", code="empty-table")
    wanted = {config.id_column, config.time_column or DEFAULT_TIME_COLUMN}
    levels = [table.index.get_level_values(number) for number in range(table.index.nlevels)]
    frames = [_level_frame(level, config) for level in levels if level.name in wanted or _is_temporal(level)]
    named = table.set_axis([str(name) for name in table.columns], axis=1).reset_index(drop=True)
    named = pd.concat([*frames, named], axis=1) if frames else named
    if not named.columns.is_unique:
        doubled = named.columns[named.columns.duplicated()][0]
        raise ColumnError(f"there are two columns named {doubled!r}", code="duplicate-column")
    return named


def find_layout(table: pd.DataFrame, config: TableConfig, elsewhere: Collection[str] = ()) -> Layout:
    """Gives the roles of the columns as `config` says; ColumnError where one is missing or could be several.

    Static columns that stand `elsewhere`, in a static table, may be missing here.
    """
    kind = config.layout
    if kind == "auto":
        is_long = config.target_column in table.columns or _is_named(config, "target_column", "id_column")
        kind = "long" if is_long else "wide"
        if kind == "wide" and config.id_column in table.columns:
            _refuse_target_missing(table, config)
    _refuse_covariates_missing(table, config, elsewhere)
    return _long(table, config) if kind == "long" else _wide(table, config, elsewhere)


def static_names(config: TableConfig) -> tuple[str, ...]:
    """Gives the columns that hold for a whole series: numbers, categories, and the group."""
    return (*config.static_columns, *config.category_columns, *((config.group_column,) if config.group_column else ()))


def _refuse_covariates_missing(table: pd.DataFrame, config: TableConfig, elsewhere: Collection[str]) -> None:
    wanted = {
        "past_columns": config.past_columns,
        "known_columns": config.known_columns,
        "static_columns": tuple(name for name in config.static_columns if name not in elsewhere),
        "category_columns": tuple(name for name in config.category_columns if name not in elsewhere),
        "group_column": tuple(name for name in (config.group_column,) if name and name not in elsewhere),
    }
    for setting, names in wanted.items():
        for name in names:
            if name not in table.columns:
                raise _missing(table, name, setting)


def _long(table: pd.DataFrame, config: TableConfig) -> Layout:
    if config.target_column not in table.columns:
        raise _missing(table, config.target_column, "target_column")
    time_column = config.time_column or DEFAULT_TIME_COLUMN
    if time_column not in table.columns:
        raise _missing(table, time_column, "time_column")
    if config.id_column not in table.columns and _is_named(config, "id_column"):
        raise _missing(table, config.id_column, "id_column")
    id_column = config.id_column if config.id_column in table.columns else None
    static = tuple(name for name in static_names(config) if name in table.columns)
    covariates = (*config.past_columns, *config.known_columns, *static)
    roles = [name for name in (id_column, time_column, config.target_column, *covariates) if name]
    if len(set(roles)) < len(roles):
        kinds = "id, time and target" + (", then the covariates," if covariates else "")
        message = f"one column cannot play two roles: {kinds} are {', '.join(map(repr, roles))}"
        raise ColumnError(message, code="ambiguous-layout")
    unused = tuple(name for name in table.columns if name not in roles)
    values = (config.target_column,)
    return Layout("long", id_column, time_column, values, unused, config.past_columns, config.known_columns, static)


def _is_named(config: TableConfig, *settings: str) -> bool:
    """Says whether the caller chose one of these names: what has no such column is then refused, not read otherwise."""
    return any(getattr(config, name) != TableConfig.model_fields[name].default for name in settings)


def _wide(table: pd.DataFrame, config: TableConfig, elsewhere: Collection[str]) -> Layout:
    time_column = _wide_time_column(table, config)
    past, known = config.past_columns, config.known_columns
    roles = [name for name in (time_column, *past, *known) if name]
    if len(set(roles)) < len(roles):
        message = f"one column cannot play two roles: time and covariates are {', '.join(map(repr, roles))}"
        raise ColumnError(message, code="ambiguous-layout")
    static = next((name for name in static_names(config) if name not in elsewhere), None)
    if static is not None:
        message = f"{static!r} cannot be a static column of a wide table: give it in the static table, one row per id"
        raise ColumnError(message, code="ambiguous-layout")
    series = tuple(name for name in table.columns if name not in roles)
    nameless = next((name for name in series if _NAMELESS.fullmatch(name)), None)
    if nameless is not None:
        place = list(table.columns).index(nameless) + 1
        raise ColumnError(
            f"column {place} has no name, and would be a series called {nameless!r}: name it, or leave it out if it is "
            "a row index (to_csv with index=False)",
            code="nameless-column",
        )
    if not series:
        raise ColumnError(f"the table has no column of values {_listed(table)}", code="missing-column")
    return Layout("wide", None, time_column, series, (), past, known)


def _wide_time_column(table: pd.DataFrame, config: TableConfig) -> str | None:
    if config.time_column is not None:
        if config.time_column not in table.columns:
            raise _missing(table, config.time_column, "time_column")
        return config.time_column
    if DEFAULT_TIME_COLUMN in table.columns:
        return DEFAULT_TIME_COLUMN
    texts = [name for name, dtype in table.dtypes.items() if not is_plainly_numeric(dtype)]
    found = [str(name) for name in texts if _holds_times(table[name])]
    if len(found) > 1:
        message = f"columns {', '.join(map(repr, found))} all hold timestamps: name the one to use with `time_column`"
        raise ColumnError(message, code="ambiguous-layout")
    return found[0] if found else None


def _holds_times(column: pd.Series) -> bool:
    """Says whether a column holds timestamps, by its first value that is not null."""
    first = column[column.notna()].head(1)
    if not len(first) or not parse_numbers(first)[1].any():
        return False
    try:
        times = parse_times(first)
    except TimestampError:
        return str(first.iloc[0])[:1].isdigit()  # an unclear order of day and month, say, but time all the same
    return not times.are_steps and bool(times.values[0] == times.values[0])


def _is_temporal(level: pd.Index) -> bool:
    return isinstance(level, pd.DatetimeIndex | pd.PeriodIndex)


def _level_frame(level: pd.Index, config: TableConfig) -> pd.DataFrame:
    name = level.name if level.name is not None else config.time_column or DEFAULT_TIME_COLUMN
    return pd.DataFrame({str(name): level})


def _refuse_target_missing(table: pd.DataFrame, config: TableConfig) -> NoReturn:
    raise ColumnError(
        f"the table has the id column {config.id_column!r} of a long table but no target {config.target_column!r} "
        f"{_listed(table)}: name the target with `target_column`, or set layout 'wide'",
        code="ambiguous-layout",
    )


def _missing(table: pd.DataFrame, name: str, setting: str) -> ColumnError:
    message = f"there is no column {name!r} {_listed(table)}: name the one to use with `{setting}`"
    return ColumnError(message, code="missing-column")


def _listed(table: pd.DataFrame) -> str:
    names = [repr(name[:40]) for name in table.columns[:_NAMES_SHOWN]]
    more = f" and {len(table.columns) - _NAMES_SHOWN} more" if len(table.columns) > _NAMES_SHOWN else ""
    return f"(the columns are {', '.join(names)}{more})"
