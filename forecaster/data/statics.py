"""What a table says of whole series: static numbers, categories, and the group of each series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import TableConfig
from forecaster.data.cells import read_ids, shown
from forecaster.data.columns import static_names, with_named_columns
from forecaster.data.covariates import TextArray
from forecaster.data.numbers import is_plainly_numeric, parse_numbers
from forecaster.data.panel import Panel
from forecaster.data.panel_checks import MAX_VALUE, beyond_range
from forecaster.errors import ColumnError, SeriesError, ValueTypeError

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Rows:
    """A table whose rows speak of the series of a panel."""

    table: pd.DataFrame  # R rows
    series: IntArray  # [R] position of the series
    num_here: int | None = None  # rows that stand in the main table, before those of the static one; None: all

    def followed_by(self, static: Rows, name: str) -> Rows:
        """Gives the rows of both tables, with one column that stands in both."""
        column = _joined(self.table[name], static.table[name])
        return Rows(column.to_frame(name), np.concatenate([self.series, static.series]), len(self.series))

    def is_here(self, row: int) -> bool:
        """Says whether a row stands in the first of the tables."""
        return self.num_here is None or row < self.num_here

    def place(self, row: int) -> str:
        """Gives how messages name a row, counted from 1."""
        return f"row {row + 1}" if self.is_here(row) else f"row {row - (self.num_here or 0) + 1} of the static table"


def static_rows(static: pd.DataFrame, panel: Panel, config: TableConfig) -> Rows:
    """Reads whose rows those of a static table are.

    SeriesError for an id twice, or that the panel has not; ColumnError where there is no column of ids.
    """
    named = with_named_columns(static, config)
    if config.id_column not in named.columns:
        if len(named) == len(panel) == 1:
            return Rows(named, np.zeros(1, dtype=np.int64))
        message = f"static table: there is no column {config.id_column!r}: name the one of ids with `id_column`"
        raise ColumnError(message, code="missing-column")
    owners, codes = read_ids(named[config.id_column])
    if len(owners) < len(named):
        doubled = owners[int(np.bincount(codes).argmax())]
        raise SeriesError(f"static table: series {doubled[:40]!r} has more than one row", code="duplicate-series")
    unknown = next((series_id for series_id in owners if series_id not in panel), None)
    if unknown is not None:
        message = f"static table: series {unknown[:40]!r} is not among those of the table"
        raise SeriesError(message, code="unknown-series")
    return Rows(named, np.array([panel.position(series_id) for series_id in owners], dtype=np.int64))


def static_table_columns(static: pd.DataFrame, config: TableConfig) -> tuple[str, ...]:
    """Gives the columns that are read from a static table: those that `config` names there, or else all but the id."""
    columns = tuple(str(name) for name in static.columns if str(name) != config.id_column)
    named = static_names(config)
    chosen = config.static_columns or config.category_columns
    return tuple(name for name in columns if name in named) if chosen else columns


def with_statics(
    panel: Panel, rows: Rows, columns: tuple[str, ...], config: TableConfig, here: Rows | None = None
) -> Panel:
    """Gives the panel with these columns as static numbers, categories or, if it is that of the group, as groups.

    A column of numbers gives numbers unless `config` wants texts. Missing cells say nothing; a series without a
    group is one of its own. A column that the rows `here` have, too, is read from them and `rows` as from one table.
    ColumnError where a series has two values, ValueTypeError for infinite numbers.
    """
    held, groups = panel.covariates, panel.groups
    for name in columns:
        joined = rows if here is None or name not in here.table.columns else here.followed_by(rows, name)
        reader = _Reader(panel, joined, config)
        if name == config.group_column:
            groups = reader.groups(name)
        elif reader.is_category(name):
            texts = _beside(held.categories, reader.texts(name))
            held = replace(held, category_names=(*held.category_names, name), categories=texts)
        else:
            numbers = _beside(held.static, reader.numbers(name))
            held = replace(held, static_names=(*held.static_names, name), static=numbers)
    return replace(panel, covariates=held, groups=groups)


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads one column of `rows` at a time into one value per series [S]."""

    panel: Panel
    rows: Rows
    config: TableConfig

    def is_category(self, name: str) -> bool:
        column = self.rows.table[name]
        if name in self.config.category_columns or is_plainly_numeric(column.dtype):
            return name in self.config.category_columns
        return bool(parse_numbers(pd.Series(_distinct(column)[1], dtype=object))[1].any())

    def numbers(self, name: str) -> FloatArray:
        values, _ = parse_numbers(self.rows.table[name])
        infinite = np.isinf(values)
        if self.config.infinite == "missing":
            values = np.where(infinite, np.nan, values)
        self._refuse_values(name, np.flatnonzero(beyond_range(values) | np.isinf(values)))
        return np.append(values, np.nan)[self._first_rows(name, values)]

    def texts(self, name: str) -> TextArray:
        numbers, texts = _distinct_texts(self.rows.table[name])
        first = self._first_rows(name, np.where(numbers < 0, np.nan, numbers))
        return np.asarray(np.array([*texts, None], dtype=np.object_)[np.append(numbers, -1)[first]])

    def groups(self, name: str) -> IntArray:
        texts = self.texts(name)
        numbers, found = pd.factorize(texts)
        return np.where(numbers < 0, len(found) + np.arange(len(texts)), numbers).astype(np.int64)

    def _first_rows(self, name: str, values: FloatArray) -> IntArray:
        """Gives the first row with a value of each series [S], -1 where it has none."""
        rows = np.flatnonzero(~np.isnan(values))
        series = self.rows.series[rows]
        first = np.full(len(self.panel), -1)
        first[series[::-1]] = rows[::-1]
        other = np.flatnonzero(values[rows] != values[first[series]])
        if len(other):
            here, there = int(first[series[other[0]]]), int(rows[other[0]])
            column, place = self.rows.table[name], self.rows.place
            raise ColumnError(
                f"series {self.panel.series_ids[series[other[0]]]!r} has in the static column {name!r} the values "
                f"{shown(column.iloc[here])} ({place(here)}) and {shown(column.iloc[there])} ({place(there)}): "
                "wanted is one value per series",
                code="not-static" if self.rows.is_here(there) else "contradiction",
            )
        return first

    def _refuse_values(self, name: str, rows: IntArray) -> None:
        if len(rows):
            series_id = self.panel.series_ids[self.rows.series[rows[0]]]
            raise ValueTypeError(
                f"series {series_id!r} has in the static column {name!r} the value "
                f"{shown(self.rows.table[name].iloc[rows[0]])} ({self.rows.place(int(rows[0]))}), which is infinite "
                f"or beyond +/- {MAX_VALUE:g} ({len(rows)} such value(s) in all)",
                code="infinite",
            )


def _distinct_texts(column: pd.Series) -> tuple[IntArray, list[str]]:
    """Gives the distinct texts of a column, and which one each row [R] has: -1 for nulls and blank texts."""
    codes, found = _distinct(column)
    written = pd.Series([category_text(value) for value in found], dtype=object)
    numbers, texts = pd.factorize(written)
    return np.append(numbers, -1)[codes].astype(np.int64), [str(text) for text in texts]


def _distinct(column: pd.Series) -> tuple[IntArray, list[object]]:
    """Gives the distinct values of a column, and which one each row [R] has: -1 for nulls."""
    try:
        codes, found = pd.factorize(column)
    except TypeError as error:  # lists and the like
        raise ColumnError(
            f"static column {column.name!r} holds values that are no texts or numbers", code="not-static"
        ) from error
    return codes, list(found)


def category_text(value: object) -> str | None:
    """Gives a category or a group as text: whole numbers without a point, as a column with a gap has them.

    None for a blank.
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value) if str(value).strip() else None


def _joined(here: pd.Series, static: pd.Series) -> pd.Series:
    """Gives one column below the other, as numbers where both hold numbers, else with each value as it stands."""
    if here.dtype == static.dtype:
        return pd.concat([here, static], ignore_index=True)
    if is_plainly_numeric(here.dtype) and is_plainly_numeric(static.dtype):
        return pd.Series(np.concatenate([parse_numbers(column)[0] for column in (here, static)]), name=here.name)
    return pd.concat([here.astype(object), static.astype(object)], ignore_index=True)


def _beside(columns: NDArray[Scalar], column: NDArray[Scalar]) -> NDArray[Scalar]:
    """Gives columns [S F] with one more [S]; there are none in an array without rows."""
    return np.column_stack([columns, column]) if len(columns) else column[:, np.newaxis]
