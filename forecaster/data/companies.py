"""Companies: the windows of one group of series that stand at one timestamp, and so may see each other."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import IntArray
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, WindowIndex
from forecaster.time.frequency import Frequency
from forecaster.time.grid import OFF_GRID, StoredTimes


class Companies:
    """Completes windows to whole companies, as far as `index` has their windows.

    The step of a window on the time line that its group shares is `place of the series' start + cutoff`.
    """

    def __init__(self, panel: Panel, index: WindowIndex) -> None:
        self._index = index
        grids, self._places = _grids_and_places(panel.axis.frequency, panel.starts)
        pairs = np.stack([panel.group_numbers, grids])
        self._circles = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()  # [S] who may meet at all
        self._order = np.argsort(self._circles, kind="stable")
        self._sizes = np.bincount(self._circles)
        self._begins = np.cumsum(self._sizes) - self._sizes

    @property
    def mean_size(self) -> float:
        """Series that a company has on average, if all of them have a window."""
        return len(self._circles) / len(self._sizes)

    def completed(self, addresses: WindowAddresses) -> WindowAddresses:
        """Gives the whole companies of the windows at `addresses`, one after the other, each once."""
        meetings = np.stack([self._circles[addresses.series], self._places[addresses.series] + addresses.cutoffs])
        circles, steps = np.unique(meetings, axis=1)
        sizes = self._sizes[circles]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        series = self._order[np.repeat(self._begins[circles], sizes) + within]
        cutoffs = np.repeat(steps, sizes) - self._places[series]
        there = (self._index.first[series] <= cutoffs) & (cutoffs <= self._index.last[series])
        return WindowAddresses(series[there], cutoffs[there])


def _grids_and_places(frequency: Frequency, starts: StoredTimes) -> tuple[IntArray, IntArray]:
    """Gives for each start [S] the number of its grid, and its step on that grid.

    Starts are on one grid when whole steps lie between them; '2h' has two grids in a day, most frequencies have one.
    """
    grids, places = np.full(len(starts), -1), np.zeros(len(starts), dtype=np.int64)
    while (grids < 0).any():
        left = np.flatnonzero(grids < 0)
        found = frequency.positions(starts[left].min(), starts[left])
        on_grid = found != OFF_GRID
        places[left[on_grid]] = found[on_grid]
        grids[left[on_grid]] = grids.max() + 1
    return grids, places
