"""The panel: many series on regular grids of one frequency, flat in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.errors import DataError, SeriesError, TimestampError, ValueTypeError
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import OFF_GRID, StoredTimes

MAX_VALUE = 1e30  # beyond it squares and differences of values come near the end of float64
_VALUES_PER_CHUNK = 1 << 20

Target = ArrayLike | Sequence[float | None]


@dataclass(frozen=True, eq=False)
class Panel:
    """S series, one after the other: series i is values[offsets[i]:offsets[i + 1]], one value per step.

    A step without a value is NaN; there are no infinities, and no value is beyond MAX_VALUE. Every series
    has at least one step. The arrays are read-only, and the values may be memory-mapped.
    DataError (invalid-panel) where ids, offsets, values and starts do not fit together.
    """

    series_ids: tuple[str, ...]  # S, unique
    offsets: IntArray  # [S + 1] ascending from 0 to the number of values
    values: FloatArray  # [total] NaN where missing
    starts: StoredTimes  # [S] stored time of the first step
    axis: TimeAxis

    def __post_init__(self) -> None:
        _check_fit(self)
        for name in ("offsets", "values", "starts"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_arrays(
        cls, series_ids: Sequence[str], starts: StoredTimes, targets: Sequence[Target], axis: TimeAxis
    ) -> Panel:
        """Builds a panel from one array per series (NaN or None: missing) and the stored time of its first value.

        Leading missing values are cut off, as `read_panel` does. ValueTypeError for values that are no
        numbers (booleans, texts), infinite or beyond MAX_VALUE; SeriesError for repeated ids and for series
        without an observed value; TimestampError for a start that is off the grid.
        """
        if not len(series_ids) == len(starts) == len(targets):
            found = f"{len(series_ids)} ids, {len(starts)} starts and {len(targets)} targets"
            raise DataError(f"every series has one id, start and target, got {found}", code="invalid-panel")
        arrays = [_target(target, series_id) for series_id, target in zip(series_ids, targets, strict=True)]
        offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)])
        panel = cls(
            tuple(series_ids),
            offsets.astype(np.int64),
            np.concatenate([*arrays, np.empty(0)]),
            np.asarray(starts),
            axis,
        )
        panel._check_values()
        panel._check_starts()
        return panel.trimmed()

    def __len__(self) -> int:
        return len(self.series_ids)

    @property
    def num_values(self) -> int:
        """Number of steps of all series together, missing ones included."""
        return len(self.values)

    @cached_property
    def lengths(self) -> IntArray:
        """[S] number of steps of each series."""
        return np.diff(self.offsets)

    @cached_property
    def ends(self) -> StoredTimes:
        """[S] stored time of the step after the last one of each series: where its forecast starts."""
        return self.axis.frequency.advance(self.starts, self.lengths)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {series_id: position for position, series_id in enumerate(self.series_ids)}

    def position(self, series_id: str) -> int:
        """Gives the position of a series; SeriesError where there is none of that id."""
        try:
            return self._positions[series_id]
        except KeyError as error:
            raise SeriesError(f"there is no series {series_id[:40]!r} in this panel", code="unknown-series") from error

    def target(self, position: int) -> FloatArray:
        """Gives a view of the values of one series, NaN where missing."""
        return self.values[self.offsets[position] : self.offsets[position + 1]]

    def select(self, positions: Sequence[int] | IntArray) -> Panel:
        """Gives a panel of the series at `positions`, in that order; at least one, none twice."""
        chosen = np.asarray(positions, dtype=np.int64)
        begins = self.offsets[:-1][chosen]
        return self._cut(chosen, begins, self.lengths[chosen], self.starts[chosen])

    def head(self, lengths: IntArray) -> Panel:
        """Gives a panel of the first `lengths` [S] steps of each series, 1 .. all of them; SeriesError otherwise."""
        wrong = np.flatnonzero((lengths < 1) | (lengths > self.lengths))
        if len(wrong):
            first = wrong[0]
            raise SeriesError(
                f"series {self.series_ids[first]!r} has {self.lengths[first]} steps, the first {lengths[first]} "
                "are asked for: leave it out by select()",
                code="too-short",
            )
        return self._cut(np.arange(len(self)), self.offsets[:-1], lengths, self.starts)

    def trimmed(self) -> Panel:
        """Gives a panel whose series begin with an observed value; SeriesError for a series that has none."""
        leading = self.num_leading_missing()
        if not leading.any():
            return self
        starts = self.axis.frequency.advance(self.starts, leading)
        return self._cut(np.arange(len(self)), self.offsets[:-1] + leading, self.lengths - leading, starts)

    def num_leading_missing(self) -> IntArray:
        """Gives the number [S] of steps before the first observed value of each series; SeriesError if it has none."""
        observed = np.append(np.flatnonzero(~np.isnan(self.values)), self.num_values)
        first = observed[np.searchsorted(observed, self.offsets[:-1])]
        empty = np.flatnonzero(first >= self.offsets[1:])
        if len(empty):
            raise SeriesError(
                f"{len(empty)} series without any observed value, first {self.series_ids[empty[0]]!r}: leave them out",
                code="no-observed-value",
            )
        return first - self.offsets[:-1]

    def steps(self) -> IntArray:
        """Gives for each value [total] the number of its step within its series, from 0."""
        return np.arange(self.num_values) - np.repeat(self.offsets[:-1], self.lengths)

    def timestamps(self) -> StoredTimes:
        """Gives for each value [total] its stored time."""
        return self.axis.frequency.advance(np.repeat(self.starts, self.lengths), self.steps())

    def to_frame(self, id_column: str = "unique_id", time_column: str = "ds", target_column: str = "y") -> pd.DataFrame:
        """Gives a long table: one row per series and step, NaN where missing."""
        columns = {
            id_column: np.repeat(np.asarray(self.series_ids, dtype=object), self.lengths),
            time_column: self.axis.label(self.timestamps()),
            target_column: np.array(self.values),
        }
        return pd.DataFrame(columns)

    def fingerprint(self) -> str:
        """Gives 'sha256:...' of all content: ids in their order, time axis, starts, offsets and values.

        How the values are held does not matter, nor which NaN stands for missing, nor the sign of a zero.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        header = [self.axis.frequency.alias, self.axis.timezone, list(self.series_ids)]
        digest = hashlib.sha256(json.dumps(header).encode())
        digest.update(self.starts.astype("<i8").tobytes())
        digest.update(self.offsets.astype("<i8").tobytes())
        for begin in range(0, self.num_values, _VALUES_PER_CHUNK):
            chunk = self.values[begin : begin + _VALUES_PER_CHUNK] + 0.0
            digest.update(np.where(np.isnan(chunk), np.nan, chunk).astype("<f8").tobytes())
        return f"sha256:{digest.hexdigest()}"

    def _cut(self, chosen: IntArray, begins: IntArray, lengths: IntArray, starts: StoredTimes) -> Panel:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        values = self.values[np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)]
        return Panel(tuple(self.series_ids[position] for position in chosen), offsets, values, starts, self.axis)

    def _check_values(self) -> None:
        self._refuse(np.isinf(self.values), "infinite", "an infinite value: give a number, or null where it is missing")
        self._refuse(beyond_range(self.values), "value-out-of-range", f"a value beyond +/- {MAX_VALUE:g}")

    def _refuse(self, wrong: BoolArray, code: str, problem: str) -> None:
        where = np.flatnonzero(wrong)
        if len(where):
            series = int(np.searchsorted(self.offsets, where[0], side="right")) - 1
            step = int(where[0] - self.offsets[series]) + 1
            message = f"series {self.series_ids[series]!r} has at value {step} {problem} ({len(where)} in all)"
            raise ValueTypeError(message, code=code)

    def _check_starts(self) -> None:
        off = np.flatnonzero(self.axis.frequency.positions(self.starts, self.starts) == OFF_GRID)
        if len(off):
            raise TimestampError(
                f"series {self.series_ids[off[0]]!r} starts at {self.axis.text(self.starts[off[0]])}, which is no "
                f"timestamp of frequency {self.axis.frequency.alias!r} ({len(off)} series in all)",
                code="off-grid",
            )


def beyond_range(values: FloatArray) -> BoolArray:
    """Says which values are finite but beyond +/- MAX_VALUE."""
    return np.isfinite(values) & (np.abs(values) > MAX_VALUE)


def _target(target: Target, series_id: str) -> FloatArray:
    found = np.asarray(target)
    if found.ndim != 1 or not len(found):
        message = f"series {series_id!r} wants a list of at least one value, got shape {found.shape}"
        raise SeriesError(message, code="empty-series")
    if found.dtype.kind == "O" and all(value is None or _is_number(value) for value in found):
        try:
            return found.astype(np.float64)
        except OverflowError as error:
            message = f"series {series_id!r} has a value beyond +/- {MAX_VALUE:g}"
            raise ValueTypeError(message, code="value-out-of-range") from error
    if found.dtype.kind not in "iuf":
        raise ValueTypeError(f"series {series_id!r} has values that are no numbers", code="not-a-number")
    return found.astype(np.float64)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _check_fit(panel: Panel) -> None:
    num_series, offsets = len(panel.series_ids), panel.offsets
    sound = {
        "there is no series": num_series > 0,
        "series ids are not unique": len(set(panel.series_ids)) == num_series,
        "series ids are not texts": all(isinstance(series_id, str) for series_id in panel.series_ids),
        f"offsets are not {num_series + 1} integers": offsets.dtype == np.int64 and offsets.shape == (num_series + 1,),
        "values are not a flat array of float64": panel.values.dtype == np.float64 and panel.values.ndim == 1,
        f"starts are not {num_series} times of type {panel.axis.dtype}": panel.starts.shape == (num_series,)
        and panel.starts.dtype == panel.axis.dtype,
        "a start is missing": panel.starts.dtype.kind != "M" or not np.isnat(panel.starts).any(),
    }
    for problem, is_sound in sound.items():
        if not is_sound:
            raise DataError(f"these arrays are no panel: {problem}", code="invalid-panel")
    if offsets[0] != 0 or offsets[-1] != len(panel.values) or (np.diff(offsets) < 1).any():
        raise DataError("these arrays are no panel: offsets do not ascend from 0 to the values", code="invalid-panel")
