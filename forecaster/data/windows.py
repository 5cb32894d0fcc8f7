"""Windows: what a network sees of a panel, addressed without listing them and cut without copying the panel.

A window is the pair (series, cutoff), where the cutoff counts the visible steps of the series:

    step of the series   0 . . . . cutoff - L . . . cutoff - 1 | cutoff . . . cutoff + H - 1
                                   |------- context [L] -------|------- target [H] --------|

Steps before the start of a series or after its end are not observed, and never those of its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, DataError, SeriesError
from forecaster.types import WindowBatch


@dataclass(frozen=True)
class WindowAddresses:
    """Where some windows stand in a panel."""

    series: IntArray  # [B] position of the series in the panel
    cutoffs: IntArray  # [B] visible steps of that series, 0 .. its length

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class WindowIndex:
    """All windows whose cutoff lies in one range per series, numbered series by series from 0 on.

    It costs memory per series, not per window. A series with `last` below `first` has no window.
    """

    first: IntArray  # [S] lowest cutoff
    last: IntArray  # [S] highest cutoff, included

    @property
    def num_windows(self) -> int:
        """Windows of all series together."""
        return int(self._begins[-1])

    def locate(self, numbers: IntArray) -> WindowAddresses:
        """Gives the addresses of the windows with these numbers [B], each in 0 .. num_windows - 1.

        Raises DataError for a number outside.
        """
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.num_windows:
            raise DataError(
                f"window numbers {numbers.min()} .. {numbers.max()} are not all in 0 .. {self.num_windows - 1}",
                code="window-out-of-range",
            )
        # side="right" passes over the series that have no window: they begin where the next one does.
        series = np.searchsorted(self._begins, numbers, side="right") - 1
        return WindowAddresses(series, self.first[series] + numbers - self._begins[series])

    @cached_property
    def _begins(self) -> IntArray:
        """[S + 1] number of the first window of each series, then the number of all windows."""
        return np.concatenate([[0], np.cumsum(np.maximum(self.last - self.first + 1, 0))])


def training_windows(panel: Panel, horizon: int, ends: IntArray, min_context: int = 1) -> WindowIndex:
    """Gives the windows with `min_context` visible steps or more and a target within the first `ends` [S] steps.

    A series that is used to its very end but too short for a whole target gives the windows with at least
    one target step instead: what lies past its end is not observed. Raises DataError where `ends` is
    negative or longer than the series.
    """
    if min_context < 1:
        raise ConfigError(f"min_context must be 1 or more, got {min_context}")
    lengths = panel.lengths
    wrong = np.flatnonzero((ends < 0) | (ends > lengths))
    if len(wrong):
        raise DataError(
            f"training of series {panel.series_ids[wrong[0]]!r} ends after {ends[wrong[0]]} steps, "
            f"but it has {lengths[wrong[0]]}",
            code="window-out-of-range",
        )
    last = ends - horizon
    partial = (last < min_context) & (ends == lengths)
    return WindowIndex(np.full(len(lengths), min_context, dtype=np.int64), np.where(partial, ends - 1, last))


class WindowSampler:
    """Random batches of windows, every window of the index equally likely in every place.

    The batch of a step is a function of (seed, step) alone, so a resumed run needs no stored state.
    Series begin with an observed value, so a context or target without one lies in a gap longer than it is;
    such windows are drawn too, and weigh nothing in a loss over observed targets.
    """

    def __init__(self, index: WindowIndex, batch_size: int, seed: int) -> None:
        if index.num_windows == 0:
            raise SeriesError("there is no window to draw: every series is too short", code="too-short")
        self._index = index
        self._batch_size = batch_size
        self._seed = seed

    def addresses(self, step: int) -> WindowAddresses:
        """Gives the windows of one step (0 or more), the same ones at every call."""
        generator = np.random.default_rng([self._seed, step])
        return self._index.locate(generator.integers(0, self._index.num_windows, self._batch_size))


@dataclass(frozen=True)
class Windows:
    """Cuts windows of one shape out of a panel."""

    panel: Panel
    context_length: int  # L
    horizon: int  # H, 0 where no target is wanted

    def __post_init__(self) -> None:
        if self.context_length < 1 or self.horizon < 0:
            raise ConfigError(
                f"a window needs a context_length of 1 or more and a horizon of 0 or more, "
                f"got {self.context_length} and {self.horizon}"
            )

    def gather(self, addresses: WindowAddresses) -> WindowBatch:
        """Copies the windows at `addresses` [B] into one batch, and nothing else of the panel.

        A missing value (NaN), and a step that the series does not have, becomes 0 with observed False.
        Raises DataError for a series that the panel does not have, or a cutoff past the end of its series.
        """
        begins, lengths = self._bounds(addresses)
        cutoffs = addresses.cutoffs
        values, now = self.panel.values, begins + cutoffs
        exists = ~_leading(self.context_length - cutoffs, self.context_length)
        context, observed = _cut(values, now - self.context_length, exists)
        target, target_observed = _cut(values, now, _leading(lengths - cutoffs, self.horizon))
        return WindowBatch(*map(torch.from_numpy, (context, observed, target, target_observed)))

    def _bounds(self, addresses: WindowAddresses) -> tuple[IntArray, IntArray]:
        """Gives the flat position of each series' first step, and its length, both [B]."""
        series, cutoffs, offsets = addresses.series, addresses.cutoffs, self.panel.offsets
        if len(series) and not 0 <= series.min() <= series.max() < len(offsets) - 1:
            raise DataError(
                f"series positions {series.min()} .. {series.max()} are not all in 0 .. {len(offsets) - 2}",
                code="window-out-of-range",
            )
        begins = offsets[series]
        lengths = offsets[series + 1] - begins
        wrong = np.flatnonzero((cutoffs < 0) | (cutoffs > lengths))
        if len(wrong):
            raise DataError(
                f"cutoff {cutoffs[wrong[0]]} of series {self.panel.series_ids[series[wrong[0]]]!r} "
                f"is outside 0 .. {lengths[wrong[0]]}, its length",
                code="window-out-of-range",
            )
        return begins, lengths


def _leading(counts: IntArray, width: int) -> BoolArray:
    """Marks the first `counts` [B] of `width` columns; a count may be negative or beyond the width."""
    # Clipped first, so that int32 holds them, which is faster to compare.
    columns = np.arange(width, dtype=np.int32)
    return columns < np.clip(counts, 0, width).astype(np.int32)[:, np.newaxis]


def _cut(values: FloatArray, begins: IntArray, exists: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Gives the values [B W] from the flat positions `begins` [B] on, and where one is observed [B W].

    Observed is what exists [B W] and is not NaN; all else is 0.
    """
    rows = _copy_rows(values, begins, exists.shape[1])
    observed = exists & (rows == rows)  # NaN alone differs from itself; ~np.isnan would take another pass
    np.copyto(rows, 0.0, where=~observed)
    return rows, observed


def _copy_rows(values: FloatArray, begins: IntArray, width: int) -> FloatArray:
    """Copies `width` values from each flat position; where a row leaves the buffer, any value stands in.

    Indexing the strided view copies whole rows: as fast as torch's index_select on such a view, and it takes
    a read-only or memory-mapped buffer. np.take, unlike indexing, would first write the whole view out.
    """
    last = len(values) - width
    if last < 0:
        return _copy_clipped(values, begins, width)
    rows = sliding_window_view(values, width)[np.clip(begins, 0, last)]
    edges = np.flatnonzero((begins < 0) | (begins > last))
    rows[edges] = _copy_clipped(values, begins[edges], width)
    return rows


def _copy_clipped(values: FloatArray, begins: IntArray, width: int) -> FloatArray:
    """Copies value by value; past either end of the buffer its outermost value is repeated."""
    positions = begins[:, np.newaxis] + np.arange(width)
    return np.asarray(values[np.clip(positions, 0, len(values) - 1)])
