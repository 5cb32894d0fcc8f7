"""The future table: known covariates of the steps after the end of each series, joined to those of its past.

table       t0  t1  t2                series ends at t2, its forecast starts at t3
future          t1  t2  t3  t4  t5    may repeat equal values; its first new row is t3; gaps are missing
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.config import TableConfig
from forecaster.data.axis import stored_cells
from forecaster.data.cells import Cells, read_cells
from forecaster.data.columns import Layout, with_named_columns
from forecaster.data.panel import Panel
from forecaster.data.placement import MAX_SPREAD_STEPS, MAX_STEPS_PER_ROW
from forecaster.data.repairs import Repaired, repair
from forecaster.data.spans import Spans
from forecaster.errors import ColumnError, DataError, SeriesError, TimestampError, ValueTypeError
from forecaster.time.grid import OFF_GRID


def read_future(future: pd.DataFrame, layout: Layout, panel: Panel, config: TableConfig) -> Repaired:
    """Reads the rows of a future table as `config` says, repairs included.

    `layout` is that of the table that `panel` was read from. The errors are those of `read_panel`, and say that
    they are about the future table.
    """
    try:
        named = with_named_columns(future, config)
        source = read_cells(named, _layout(named, layout))
        if source.cells.times.dtype.kind != panel.axis.dtype.kind:
            found = "integers" if panel.axis.dtype.kind == "M" else "timestamps"
            message = f"its time column holds {found}, that of the table does not"
            raise TimestampError(message, code="frequency-mismatch")
        if layout.time_column is None:
            counted = replace(source.cells, times=source.cells.times + panel.lengths.max())
            source = replace(source, cells=counted)
        return repair(stored_cells(source, panel.axis), panel.axis, config)
    except DataError as error:
        raise type(error)(f"future table: {error}", code=error.code) from error


def with_future(panel: Panel, cells: Cells) -> Panel:
    """Gives the panel with known covariates as far ahead as these cells, which are in order, know them.

    The panel is not trimmed yet. SeriesError for a series that it has not, TimestampError for rows off the grid,
    before the start of a series or after a gap behind its end, ValueTypeError for rows that contradict the table.
    """
    series = _series(panel, cells)
    shared = cells.owners is None
    known = _Known(panel.select([0]) if shared else panel, cells, series)
    known.refuse_misplaced()
    known.refuse_contradictions()
    table, offsets = known.joined()
    if shared:
        table, offsets = np.tile(table, (len(panel), 1)), np.arange(len(panel) + 1) * len(table)
    return replace(panel, covariates=replace(panel.covariates, known=table, known_offsets=offsets))


def _layout(table: pd.DataFrame, layout: Layout) -> Layout:
    wanted = (layout.id_column, layout.time_column, *layout.known_columns)
    missing = next((name for name in wanted if name is not None and name not in table.columns), None)
    if missing is not None:
        raise ColumnError(f"there is no column {missing!r}, which the table has", code="missing-column")
    if not layout.known_columns:
        raise ColumnError("none of its columns is read: name them in `known_columns`", code="no-known-columns")
    return Layout(
        "wide" if layout.id_column is None else "long",
        layout.id_column,
        layout.time_column,
        value_columns=(),
        unused_columns=(),
        known_columns=layout.known_columns,
    )


def _series(panel: Panel, cells: Cells) -> IntArray:
    """Gives the position of the series of each row [R]."""
    if cells.owners is None:
        return cells.codes
    unknown = next((series_id for series_id in cells.owners if series_id not in panel), None)
    if unknown is not None:
        message = f"future table: it has rows of series {unknown[:40]!r}, which the table has not"
        raise SeriesError(message, code="unknown-series")
    return np.array([panel.position(series_id) for series_id in cells.owners], dtype=np.int64)[cells.codes]


@dataclass(frozen=True, eq=False)
class _Known:
    """The rows [R] of a future table beside the panel that they continue."""

    panel: Panel
    cells: Cells
    series: IntArray  # [R]

    @cached_property
    def positions(self) -> IntArray:
        """[R] step of the series."""
        return self.panel.axis.frequency.positions(self.panel.starts[self.series], self.cells.times)

    @cached_property
    def is_ahead(self) -> BoolArray:
        """[R] True behind the end of the series."""
        return np.asarray(self.positions >= self.panel.lengths[self.series])

    @cached_property
    def ends(self) -> IntArray:
        """[S] steps of each series with those known ahead."""
        ends = self.panel.lengths.copy()
        np.maximum.at(ends, self.series, self.positions + 1)
        return ends

    def refuse_misplaced(self) -> None:
        axis, lengths, times = self.panel.axis, self.panel.lengths[self.series], self.cells.times
        early = times < self.panel.starts[self.series]
        self._refuse(early, "is before the start of the series", "future-out-of-range")
        self._refuse(self.positions == OFF_GRID, f"is off the grid of frequency {axis.frequency.alias!r}", "off-grid")
        is_ahead = self.is_ahead
        is_first = is_ahead & ~np.append(False, is_ahead[:-1] & self.cells.follows()[1:])
        gap = is_first & (self.positions > lengths)
        if gap.any():
            wanted = axis.text(self.panel.ends[self.series[int(gap.argmax())]])
            self._refuse(gap, f"is the first one ahead, wanted is {wanted}, the step after the last one", "future-gap")
        allowed = max(MAX_SPREAD_STEPS // self.cells.num_known, MAX_STEPS_PER_ROW * len(times))
        ahead = self.positions - lengths
        if (self.ends - self.panel.lengths).sum() > allowed:
            problem = f"is {ahead.max() + 1} steps ahead, and {allowed} are allowed in all: is it wrong?"
            self._refuse(ahead == ahead.max(), problem, "too-many-gaps")

    def refuse_contradictions(self) -> None:
        inside = np.flatnonzero(~self.is_ahead)
        here, given = self.panel.covariates.known[self._flat(inside)], self.cells.values[inside]
        differ = np.argwhere((here != given) & ~np.isnan(here) & ~np.isnan(given))
        if len(differ):
            row, column = differ[0]
            raise ValueTypeError(
                f"future table: {self._whose(inside[row])} has in column {self.cells.columns[column]!r} at "
                f"{self.panel.axis.text(self.cells.times[inside[row]])} the value {given[row, column]}, where the "
                f"table has {here[row, column]} ({len(differ)} such value(s) in all)",
                code="contradiction",
            )

    def joined(self) -> tuple[FloatArray, IntArray]:
        """Gives the known covariates with the steps ahead, and where each series begins in them."""
        offsets = np.concatenate([[0], np.cumsum(self.ends)]).astype(np.int64)
        table = np.full((offsets[-1], self.cells.num_known), np.nan)
        every = np.arange(len(self.panel))
        past = Spans(every, offsets[:-1], self.panel.lengths, np.zeros_like(every))
        table[past.rows()] = self.panel.covariates.known
        rows = offsets[self.series] + self.positions
        table[rows] = np.where(np.isnan(table[rows]), self.cells.values, table[rows])
        return table, offsets

    def _flat(self, rows: IntArray) -> IntArray:
        return self.panel.offsets[self.series[rows]] + self.positions[rows]

    def _whose(self, row: int) -> str:
        return self.cells.owner(int(self.cells.codes[row]))

    def _refuse(self, bad: BoolArray, problem: str, code: str) -> None:
        if bad.any():
            first = int(bad.argmax())
            time = self.panel.axis.text(self.cells.times[first])
            message = f"{self._whose(first)}: timestamp {time} in row {self.cells.rows[first]} {problem}"
            raise TimestampError(f"future table: {message} ({bad.sum()} such row(s) in all)", code=code)
