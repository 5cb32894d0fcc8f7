"""What arrays may be a panel: they fit together, hold usable numbers, and their series start on the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.errors import DataError, SeriesError, TimestampError, ValueTypeError

if TYPE_CHECKING:
    from forecaster.data.panel import Panel

MAX_VALUE = 1e30  # beyond it squares and differences of values come near the end of float64

Target = ArrayLike | Sequence[float | None]


def beyond_range(values: FloatArray) -> BoolArray:
    """Says which values are finite but beyond +/- MAX_VALUE."""
    return np.isfinite(values) & (np.abs(values) > MAX_VALUE)


def refuse_misfit(panel: Panel) -> None:
    """Raises DataError (invalid-panel) where the arrays of a panel do not fit together."""
    for problem in _misfits(panel):
        raise _invalid(problem)
    offsets = panel.offsets
    if offsets[0] != 0 or offsets[-1] != len(panel.values) or (np.diff(offsets) < 1).any():
        raise _invalid("offsets do not ascend from 0 to the values")
    misfit = None if panel.covariates.is_empty else panel.covariates.misfit(offsets)
    if misfit is not None:
        raise _invalid(misfit)


def _misfits(panel: Panel) -> Iterator[str]:
    """Yields what is wrong with the kinds and sizes of the arrays; written for the case that nothing is."""
    num_series, starts = len(panel.series_ids), panel.starts
    yield from _misnamed(panel.series_ids)
    if panel.offsets.dtype != np.int64 or panel.offsets.shape != (num_series + 1,):
        yield f"offsets are not {num_series + 1} integers"
    if panel.values.dtype != np.float64 or panel.values.ndim != 1:
        yield "values are not a flat array of float64"
    if starts.shape != (num_series,) or starts.dtype != panel.axis.dtype:
        yield f"starts are not {num_series} times of type {panel.axis.dtype}"
    if starts.dtype.kind == "M" and np.isnat(starts).any():
        yield "a start is missing"
    if panel.groups.dtype != np.int64 or panel.groups.shape != (num_series,):
        yield f"groups are not {num_series} integers"


def _misnamed(series_ids: tuple[str, ...]) -> Iterator[str]:
    if not series_ids:
        yield "there is no series"
    if len(set(series_ids)) != len(series_ids):
        yield "series ids are not unique"
    if not all(isinstance(series_id, str) for series_id in series_ids):
        yield "series ids are not texts"


def refuse_values(panel: Panel) -> None:
    """Raises ValueTypeError where a value or covariate is infinite or beyond MAX_VALUE."""
    infinite = "infinite", "an infinite value: give a number, or null where it is missing"
    too_large = "value-out-of-range", f"a value beyond +/- {MAX_VALUE:g}"
    if panel.covariates.is_empty and not (np.abs(panel.values) > MAX_VALUE).any():
        return
    for column in _columns(panel):
        if not (np.abs(column.values) > MAX_VALUE).any():  # one pass that nearly always does; NaN is not beyond
            continue
        _refuse(panel, column, np.isinf(column.values), infinite)
        _refuse(panel, column, beyond_range(column.values), too_large)


def refuse_starts(panel: Panel) -> None:
    """Raises TimestampError for a series that starts off the grid of its frequency."""
    off = np.flatnonzero(~panel.axis.frequency.holds(panel.starts))
    if len(off):
        raise TimestampError(
            f"series {panel.series_ids[off[0]]!r} starts at {panel.axis.text(panel.starts[off[0]])}, which is no "
            f"timestamp of frequency {panel.axis.frequency.alias!r} ({len(off)} series in all)",
            code="off-grid",
        )


def target_numbers(target: Target, series_id: str) -> FloatArray:
    """Gives the values of one series; SeriesError where it has none, ValueTypeError for what is no number."""
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


@dataclass(frozen=True, eq=False)
class _Column:
    """Numbers of all series, and how messages name them."""

    whose: str
    values: FloatArray  # [offsets[-1]]
    offsets: IntArray  # [S + 1]


def _columns(panel: Panel) -> Iterator[_Column]:
    known = panel.covariates
    yield _Column("", panel.values, panel.offsets)
    for names, table, offsets in (
        (known.past_names, known.past, panel.offsets),
        (known.known_names, known.known, known.known_offsets),
        (known.static_names, known.static, np.arange(len(panel) + 1)),
    ):
        yield from (_Column(f" of {name!r}", table[:, place], offsets) for place, name in enumerate(names))


def _refuse(panel: Panel, column: _Column, wrong: BoolArray, problem: tuple[str, str]) -> None:
    where = np.flatnonzero(wrong)
    if len(where):
        code, text = problem
        series = int(np.searchsorted(column.offsets, where[0], side="right")) - 1
        value = f"value {int(where[0] - column.offsets[series]) + 1}{column.whose}"
        message = f"series {panel.series_ids[series]!r} has at {value} {text} ({len(where)} in all)"
        raise ValueTypeError(message, code=code)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _invalid(problem: str) -> DataError:
    return DataError(f"these arrays are no panel: {problem}", code="invalid-panel")
