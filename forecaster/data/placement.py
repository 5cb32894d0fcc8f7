"""Cells in order, placed on the grid of their series: steps without a row become missing values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.data.cells import Cells
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.errors import FrequencyError, TimestampError
from forecaster.time.frequency import Frequency, TimeAxis, infer_frequency
from forecaster.time.grid import OFF_GRID, StoredTimes
from forecaster.time.zones import seems_to_change

# A table may spread its values over this many steps, or over this many per row: one wrong year must not fill memory.
MAX_SPREAD_STEPS = 1_000_000
MAX_STEPS_PER_ROW = 100


@dataclass(frozen=True)
class Placed:
    """A panel, and which of its steps come from a row of the table."""

    panel: Panel
    has_row: BoolArray  # [total]
    num_leading_trimmed: int


def place(cells: Cells, axis: TimeAxis, *, is_inferred: bool) -> Placed:
    """Gives the panel of cells that are in order, covariates included, from the first row of each series on.

    In a wide table, whose series share their rows, all series are one group and share the covariates.
    TimestampError for timestamps off the grid and for gaps beyond reason; FrequencyError where series have
    different frequencies.
    """
    begins = np.flatnonzero(~cells.follows())
    starts = cells.times[begins]
    positions = axis.frequency.positions(starts[cells.codes], cells.times)
    _refuse_off_grid(cells, axis, positions, is_inferred)
    if is_inferred:
        _refuse_coarser(cells, axis, positions)
    lengths = positions[np.append(begins[1:], len(positions)) - 1] + 1
    _refuse_spread(cells, axis, lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    target = offsets[cells.codes] + positions
    values = np.full((offsets[-1], cells.values.shape[1]), np.nan)
    values[target] = cells.values
    has_row = np.zeros(offsets[-1], dtype=np.bool_)
    has_row[target] = True
    panel = _panel(cells, offsets, values, starts, axis)
    return Placed(panel, np.tile(has_row, panel.num_values // len(has_row)), 0)


def trimmed(placed: Placed) -> Placed:
    """Gives the panel with each series begun at its first observed value; SeriesError for one without any."""
    panel, leading = placed.panel, placed.panel.num_leading_missing()
    if not leading.any():
        return placed
    kept = panel.steps() >= np.repeat(leading, panel.lengths)
    return Placed(panel.trimmed(), placed.has_row[kept], int(leading.sum()))


def ended_at_values(placed: Placed) -> Placed:
    """Gives the panel with each series ended at its last observed value; what is known of later steps is known ahead.

    A series without any value stays as it is.
    """
    panel = placed.panel
    observed = np.append(np.flatnonzero(~np.isnan(panel.values)), -1)
    last = observed[np.searchsorted(observed[:-1], panel.offsets[1:]) - 1]
    lengths = np.where(last < panel.offsets[:-1], panel.lengths, last + 1 - panel.offsets[:-1])
    kept = panel.steps() < np.repeat(lengths, panel.lengths)
    return Placed(panel.head(lengths), placed.has_row[kept], placed.num_leading_trimmed)


def refuse_unexpected(cells: Cells, axis: TimeAxis) -> None:
    """Refuses a series of which no cell follows another by one step: it has a coarser frequency than expected.

    Fewer than three rows of a series do not show a frequency and are taken as they are.
    """
    adjacent = np.append(False, axis.frequency.advance(cells.times[:-1], 1) == cells.times[1:])
    coarser = _coarser(cells, cells.follows() & adjacent)
    if not len(coarser):
        return
    own = _own_frequency(cells, int(coarser[0]))
    found = f"looks like frequency {own.alias!r}" if own is not None else "has gaps throughout"
    raise FrequencyError(
        f"{cells.owner(int(coarser[0]))} {found}, expected is {axis.frequency.alias!r}: if it is that, with rows "
        "missing throughout, say so with `frequency`",
        code="frequency-mismatch",
    )


def _panel(cells: Cells, offsets: IntArray, values: FloatArray, starts: StoredTimes, axis: TimeAxis) -> Panel:
    if cells.owners is not None:
        covariates = _covariates(cells, values[:, 1:], offsets)
        return Panel(cells.owners, offsets, np.ascontiguousarray(values[:, 0]), starts, axis, covariates)
    num_steps, num_series = len(values), cells.num_targets
    offsets = np.arange(num_series + 1) * num_steps
    return Panel(
        cells.columns[:num_series],
        offsets,
        np.ascontiguousarray(values[:, :num_series].T).ravel(),
        np.repeat(starts, num_series),
        axis,
        _covariates(cells, np.tile(values[:, num_series:], (num_series, 1)), offsets),
        np.zeros(num_series, dtype=np.int64),
    )


def _covariates(cells: Cells, values: FloatArray, offsets: IntArray) -> PanelCovariates:
    names, num_past = cells.columns[cells.num_targets :], cells.num_past
    return PanelCovariates(
        past_names=names[:num_past],
        past=values[:, :num_past],
        known_names=names[num_past:],
        known=values[:, num_past:],
        known_offsets=offsets,
    )


def _refuse_off_grid(cells: Cells, axis: TimeAxis, positions: IntArray, is_inferred: bool) -> None:
    off = positions == OFF_GRID
    if not off.any():
        return
    first = int(off.argmax())
    code = int(cells.codes[first])
    own = _own_frequency(cells, code)
    if is_inferred and own is not None and own != axis.frequency:
        raise _mixed(cells, axis, code, own.alias)
    hint = f"; they look like frequency {own.alias!r}" if own is not None and own != axis.frequency else ""
    if axis.timezone is not None and seems_to_change(cells.times[cells.codes == code]):
        hint = f" in {axis.timezone}; their clock seems to change: name its zone with `timezone`"
    raise TimestampError(
        f"{cells.owner(code)}: timestamp {axis.text(cells.times[first])} in row {cells.rows[first]} is off the grid of "
        f"frequency {axis.frequency.alias!r} that begins at {axis.text(cells.times[cells.codes == code][0])} "
        f"({off[cells.codes == code].sum()} of its {(cells.codes == code).sum()} timestamps are){hint}",
        code="off-grid",
    )


def _refuse_coarser(cells: Cells, axis: TimeAxis, positions: IntArray) -> None:
    """Refuses a series of three rows or more of which none follows another by one step."""
    coarser = _coarser(cells, cells.follows() & np.append(False, np.diff(positions) == 1))
    if len(coarser):
        own = _own_frequency(cells, int(coarser[0]))
        raise _mixed(cells, axis, int(coarser[0]), own.alias if own is not None else "none, with gaps throughout")


def _coarser(cells: Cells, adjacent: BoolArray) -> IntArray:
    """Gives the codes of series with three rows or more, of which none is `adjacent` [R] to the one before."""
    num_rows = np.bincount(cells.codes)
    num_adjacent = np.bincount(cells.codes[adjacent], minlength=len(num_rows))
    return np.flatnonzero((num_rows >= 3) & (num_adjacent == 0))


def _own_frequency(cells: Cells, code: int) -> Frequency | None:
    try:
        return infer_frequency(cells.times[cells.codes == code])
    except FrequencyError:
        return None


def _mixed(cells: Cells, axis: TimeAxis, code: int, own: str) -> FrequencyError:
    longest = int(np.bincount(cells.codes).argmax())
    return FrequencyError(
        f"{cells.owner(longest)} has frequency {axis.frequency.alias!r}, but {cells.owner(code)} has {own!r}: "
        "give tables of one frequency, or set the one to use with `frequency`",
        code="mixed-frequency",
    )


def _refuse_spread(cells: Cells, axis: TimeAxis, lengths: IntArray) -> None:
    allowed = max(MAX_SPREAD_STEPS // len(cells.columns), MAX_STEPS_PER_ROW * len(cells.rows))
    if lengths.sum(dtype=np.float64) > allowed:
        widest = int(lengths.argmax())
        times = cells.times[cells.codes == widest]
        raise TimestampError(
            f"{cells.owner(widest)} spreads {len(times)} row(s) over {lengths[widest]} steps of "
            f"{axis.frequency.alias!r}, from {axis.text(times[0])} to {axis.text(times[-1])}: "
            f"a table of {len(cells.rows)} rows may span {allowed} steps in all; is a timestamp wrong?",
            code="too-many-gaps",
        )
