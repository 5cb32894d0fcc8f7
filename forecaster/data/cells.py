"""The cells of a table as flat arrays: whose row it is, when, and which values; unusable cells are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.data.columns import Layout
from forecaster.data.numbers import is_plainly_numeric, parse_covariate, parse_numbers
from forecaster.data.timestamps import Times, parse_times
from forecaster.errors import SeriesError, TimestampError, ValueTypeError
from forecaster.time.grid import StoredTimes

_LONGEST_VALUE_SHOWN = 40


@dataclass(frozen=True)
class Cells:
    """R rows of a table. In a long one each row belongs to one of G series, in a wide one to all C series."""

    owners: tuple[str, ...] | None  # G series ids; None in a wide table, whose rows all have code 0
    columns: tuple[str, ...]  # C: the target (long), or the series (wide); then past, then known covariates
    codes: IntArray  # [R] position in `owners`
    rows: IntArray  # [R] row of the table, counted from 1 without the header
    times: StoredTimes  # [R]
    values: FloatArray  # [R C] NaN where missing
    num_past: int = 0  # columns that are past covariates
    num_known: int = 0  # columns that are known ones

    @property
    def num_targets(self) -> int:
        """Number of columns that are no covariates."""
        return len(self.columns) - self.num_past - self.num_known

    def owner(self, code: int) -> str:
        """Gives how messages name the series of a code."""
        return "the table" if self.owners is None else f"series {self.owners[code]!r}"

    def whose(self, code: int, place: int) -> str:
        """Gives how messages name the series of a cell, by the code of its row and the place of its column."""
        if self.owners is None and place < self.num_targets:
            return f"series {self.columns[place]!r}"
        return self.owner(code)

    def take(self, order: IntArray | BoolArray) -> Cells:
        """Gives the rows chosen, in that order."""
        chosen = {name: getattr(self, name)[order] for name in ("codes", "rows", "times", "values")}
        return replace(self, **chosen)

    def follows(self) -> BoolArray:
        """Says for each row [R] whether the row before it belongs to the same series."""
        return np.append(False, self.codes[1:] == self.codes[:-1])


@dataclass(frozen=True)
class Source:
    """The cells of a table whose times are still as read, and the zone they were read with."""

    cells: Cells
    timezone: str | None  # None: naive times or integers


def read_cells(table: pd.DataFrame, layout: Layout, first_row: int = 1) -> Source:
    """Reads the columns that `layout` names, of a table that begins with that row.

    SeriesError for a null id, TimestampError for null and unreadable timestamps, ValueTypeError for values
    that are no numbers; each says in which row, whose, and how often.
    """
    owners, codes = _owners(table, layout, first_row)
    no_values = np.empty((len(table), 0))
    rows = np.arange(first_row, first_row + len(table))
    num_covariates = len(layout.past_columns), len(layout.known_columns)
    no_times = np.zeros(len(table), dtype=np.int64)
    blank = Cells(owners, layout.number_columns, codes, rows, no_times, no_values, *num_covariates)
    times = _times(table, layout, blank)
    return Source(replace(blank, times=times.values, values=_values(table, layout, blank)), times.timezone)


def _owners(table: pd.DataFrame, layout: Layout, first_row: int) -> tuple[tuple[str, ...] | None, IntArray]:
    if layout.id_column is None:
        owners = layout.value_columns if layout.kind == "long" else None
        return owners, np.zeros(len(table), dtype=np.int64)
    return read_ids(table[layout.id_column], first_row)


def read_ids(column: pd.Series, first_row: int = 1) -> tuple[tuple[str, ...], IntArray]:
    """Gives the distinct ids [G] as texts, and which of them each row [R] has; SeriesError for what is no id."""
    codes, found = _factorized(column)
    nulls = np.flatnonzero(codes < 0)
    if len(nulls):
        message = f"column {column.name!r} has no id in row {nulls[0] + first_row} ({len(nulls)} row(s) in all)"
        raise SeriesError(message, code="null-id")
    owners = tuple(str(series_id) for series_id in found)
    if len(set(owners)) < len(owners):
        doubled = Counter(owners).most_common(1)[0][0]
        message = f"column {column.name!r} has different ids that are all written {doubled!r}: make them texts"
        raise SeriesError(message, code="ambiguous-id")
    return owners, codes.astype(np.int64)


def _factorized(column: pd.Series) -> tuple[IntArray, Iterable[object]]:
    try:
        return pd.factorize(column)
    except (TypeError, OverflowError) as error:  # lists and the like, integers past all bounds
        raise SeriesError(
            f"column {column.name!r} holds ids that are no texts or numbers", code="invalid-id"
        ) from error


def _times(table: pd.DataFrame, layout: Layout, cells: Cells) -> Times:
    if layout.time_column is None:
        return Times(np.arange(len(table), dtype=np.int64))
    column = table[layout.time_column]
    nulls = column.isna().to_numpy(dtype=np.bool_)
    if nulls.any():
        raise _bad_time(cells, nulls, f"no timestamp in column {layout.time_column!r}", "null-timestamp")
    times = parse_times(column)
    if not times.are_steps and (unread := np.isnat(times.values)).any():
        problem = f"timestamp {shown(column.iloc[int(unread.argmax())])}, which is not ISO 8601"
        raise _bad_time(cells, unread, problem, "unparsable-timestamp")
    return times


def _bad_time(cells: Cells, bad: BoolArray, problem: str, code: str) -> TimestampError:
    first = int(bad.argmax())
    message = f"{cells.owner(cells.codes[first])} has in row {cells.rows[first]} {problem} ({bad.sum()} row(s) in all)"
    return TimestampError(message, code=code)


def _values(table: pd.DataFrame, layout: Layout, cells: Cells) -> FloatArray:
    columns = list(layout.number_columns)
    if all(is_plainly_numeric(dtype) for dtype in table.dtypes[columns]):
        return table[columns].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.column_stack([_numbers(table[name], cells, place) for place, name in enumerate(columns)])


def _numbers(column: pd.Series, cells: Cells, place: int) -> FloatArray:
    values, wrong = parse_numbers(column) if place < cells.num_targets else parse_covariate(column)
    if wrong.any():
        first = int(wrong.argmax())
        whose = cells.whose(int(cells.codes[first]), place)
        raise ValueTypeError(
            f"{whose} has in row {cells.rows[first]} of column {column.name!r} the value "
            f"{shown(column.iloc[first])}, which is not a number ({wrong.sum()} row(s) in all)",
            code="not-a-number",
        )
    return values


def shown(value: object) -> str:
    """Gives a value as messages quote it, shortened."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST_VALUE_SHOWN else text[: _LONGEST_VALUE_SHOWN - 3] + "..."
