"""Infinite values, unsorted rows and duplicated timestamps: refused, or repaired as the caller configured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.config import TableConfig
from forecaster.data.cells import Cells
from forecaster.data.panel_checks import MAX_VALUE, beyond_range
from forecaster.data.report import FindingGroup, Hits, Kind, group
from forecaster.errors import TimestampError, ValueTypeError
from forecaster.time.frequency import TimeAxis


@dataclass(frozen=True)
class Repaired:
    """Cells in order: series by series, timestamps ascending, each once, all values finite."""

    cells: Cells
    findings: tuple[FindingGroup, ...]


def repair(cells: Cells, axis: TimeAxis, config: TableConfig) -> Repaired:
    """Gives the cells in order; what `config` does not allow to repair is a ValueTypeError or a TimestampError."""
    repairs = _Repairs(axis, config)
    findings: list[FindingGroup] = []
    for step in (repairs.finite, repairs.ascending, repairs.unique):
        cells, found = step(cells)
        findings += found
    return Repaired(cells, tuple(findings))


@dataclass(frozen=True)
class _Repairs:
    axis: TimeAxis
    config: TableConfig

    def finite(self, cells: Cells) -> tuple[Cells, tuple[FindingGroup, ...]]:
        wild = np.argwhere(beyond_range(cells.values))
        if len(wild):
            raise self._bad_value(cells, wild, f"beyond +/- {MAX_VALUE:g}", "value-out-of-range")
        infinite = np.argwhere(np.isinf(cells.values))
        if not len(infinite):
            return cells, ()
        if self.config.infinite == "refuse":
            raise self._bad_value(cells, infinite, "which is infinite", "infinite")
        kind = Kind("infinite", "infinite value(s)", "read as missing")
        found = self._group(kind, cells, infinite)
        return replace(cells, values=np.where(np.isinf(cells.values), np.nan, cells.values)), found

    def ascending(self, cells: Cells) -> tuple[Cells, tuple[FindingGroup, ...]]:
        if (np.diff(cells.codes) < 0).any():
            cells = cells.take(np.argsort(cells.codes, kind="stable"))
        back = cells.follows() & np.append(False, cells.times[1:] < cells.times[:-1])
        if not back.any():
            return cells, ()
        ordered = cells.take(np.lexsort((cells.times, cells.codes)))
        if self.config.unsorted == "refuse":
            if self.config.duplicates == "refuse":
                self._refuse_duplicates(ordered)
            problem, settings = "comes after a later one", ", or set unsorted='sort'"
            raise self._bad_time(cells, back, problem, "unsorted", "sort them", settings)
        return ordered, self._group(Kind("unsorted", "row(s) before an earlier one", "sorted"), cells, _rows(back))

    def unique(self, cells: Cells) -> tuple[Cells, tuple[FindingGroup, ...]]:
        again = _repeats(cells)
        if not again.any():
            return cells, ()
        rule = self.config.duplicates
        if rule == "refuse":
            self._refuse_duplicates(cells)
        done = {"first": "the first is kept", "last": "the last is kept", "mean": "their mean is kept"}[rule]
        found = self._group(Kind("duplicate-timestamp", "repeated row(s)", done), cells, _rows(again))
        if rule == "last":
            return cells.take(np.append(~again[1:], True)), found
        kept = cells.take(~again)
        return (replace(kept, values=_means(cells.values, ~again)) if rule == "mean" else kept), found

    def _refuse_duplicates(self, cells: Cells) -> None:
        again = _repeats(cells)
        if again.any():
            hint, settings = "keep one of them", "; or set `duplicates`"
            if cells.owners is not None and len(cells.owners) == 1:
                settings += "; if the table holds several series, name their ids with `id_column`"
            if self.axis.timezone is None and self.axis.dtype.kind == "M" and self.axis.frequency.is_tick:
                hint += "; if it is the hour that repeats when clocks go back, give offsets or UTC times"
            raise self._bad_time(cells, again, "is there more than once", "duplicate-timestamp", hint, settings)

    def _bad_time(
        self, cells: Cells, bad: BoolArray, problem: str, code: str, hint: str, settings: str
    ) -> TimestampError:
        first = int(bad.argmax())
        return TimestampError(
            f"{cells.owner(cells.codes[first])}: timestamp {self.axis.text(cells.times[first])} in row "
            f"{cells.rows[first]} {problem} ({bad.sum()} such row(s) in all): {hint}",
            code=code,
            settings=settings,
        )

    def _bad_value(self, cells: Cells, bad: IntArray, problem: str, code: str) -> ValueTypeError:
        row, column = bad[0]
        of_column = f" of column {cells.columns[column]!r}" if column >= cells.num_targets else ""
        whose = cells.whose(int(cells.codes[row]), int(column))
        return ValueTypeError(
            f"{whose} has in row {cells.rows[row]}{of_column}, at {self.axis.text(cells.times[row])}, the value "
            f"{cells.values[row, column]}, {problem} ({len(bad)} such value(s) in all)",
            code=code,
        )

    def _group(self, kind: Kind, cells: Cells, hits: IntArray) -> tuple[FindingGroup, ...]:
        """Groups hits [n 2] (row, column) by series; those of whole rows of a wide table have column -1.

        They belong to the table as a whole, as do those of its covariates.
        """
        rows, columns = hits.T
        names: tuple[str | None, ...] = cells.owners or (*cells.columns[: cells.num_targets], None)
        in_all = len(names) - 1
        subjects = cells.codes[rows] if cells.owners else np.where(columns < 0, in_all, np.minimum(columns, in_all))
        return group(kind, Hits.of(subjects), names, lambda hit: self.axis.text(cells.times[rows[hit]]))


def _rows(mask: BoolArray) -> IntArray:
    rows = np.flatnonzero(mask)
    return np.column_stack([rows, np.full(len(rows), -1)])


def _repeats(cells: Cells) -> BoolArray:
    """Says for each row [R] whether the row before it has the same series and time."""
    return np.asarray(cells.follows() & np.append(False, cells.times[1:] == cells.times[:-1]))


def _means(values: FloatArray, begins: BoolArray) -> FloatArray:
    """Gives the mean of the values that are not missing over each run of rows that begins where `begins` says."""
    first = np.flatnonzero(begins)
    observed = ~np.isnan(values)
    counts = np.add.reduceat(observed.astype(np.int64), first, axis=0)
    sums = np.add.reduceat(np.where(observed, values, 0.0), first, axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))
