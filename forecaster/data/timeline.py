"""The timeline of a panel: the calendar features of all its steps, computed once and cut for windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.arrays import IntArray
from forecaster.config import CovariateConfig
from forecaster.data.cutting import copy_rows
from forecaster.data.panel import Panel
from forecaster.time.calendar import calendar_values, check_calendar, local_times
from forecaster.time.grid import OFF_GRID

Columns = NDArray[np.float32]  # in -1 .. 1

_MOST_ROWS = 1 << 21


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The features of consecutive steps, counted from the earliest start of the panel."""

    begin: int
    values: Columns  # [n F]

    @property
    def end(self) -> int:
        return self.begin + len(self.values)


class Timeline:
    """Calendar columns of windows, for a panel whose windows reach `reach` steps before and after its series.

    Series whose starts lie on one grid share their steps: the first batch computes the stretch that it needs,
    the next one that leaves it all steps. Where they do not, or the steps are too many to be kept, each batch
    computes its own. ConfigError as in `check_calendar`.
    """

    def __init__(self, panel: Panel, config: CovariateConfig, reach: tuple[int, int]) -> None:
        check_calendar(config.calendar, panel.axis, config.holidays)
        self._panel, self._columns, self._country = panel, config.calendar, config.holidays
        self._timezone = config.timezone
        self._origin = panel.starts.min()
        self._positions = panel.axis.frequency.positions(self._origin, panel.starts)
        self._first, self._last = -reach[0], int((self._positions + panel.lengths).max()) + reach[1]
        self._is_shared = bool((self._positions != OFF_GRID).all()) and self._last - self._first <= _MOST_ROWS
        self._stretch: _Stretch | None = None

    def cut(self, series: IntArray, begins: IntArray, width: int) -> Columns:
        """Gives the columns [B W F] of `width` steps of these series [B], from their step `begins` [B] on."""
        num_columns = len(self._columns)
        if not num_columns or not len(series):
            return np.empty((len(series), width, num_columns), dtype=np.float32)
        if not self._is_shared:
            steps = begins[:, np.newaxis] + np.arange(width)
            times = self._panel.axis.frequency.advance(self._panel.starts[series][:, np.newaxis], steps)
            return self._values(times.ravel()).reshape(len(series), width, num_columns)
        positions = self._positions[series] + begins
        stretch = self._reaching(int(positions.min()), int(positions.max()) + width)
        flat = copy_rows(stretch.values.reshape(-1), (positions - stretch.begin) * num_columns, width * num_columns)
        return flat.reshape(len(series), width, num_columns)

    def _reaching(self, begin: int, end: int) -> _Stretch:
        stretch = self._stretch
        if stretch is None:
            stretch = self._computed(begin, end)
        elif begin < stretch.begin or end > stretch.end:
            stretch = self._computed(min(begin, self._first), max(end, self._last))
        self._stretch = stretch
        return stretch

    def _computed(self, begin: int, end: int) -> _Stretch:
        times = self._panel.axis.frequency.advance(self._origin, np.arange(begin, end))
        return _Stretch(begin, self._values(times))

    def _values(self, times: NDArray[np.generic]) -> Columns:
        local = local_times(times, self._panel.axis, self._timezone)
        return calendar_values(local, self._columns, self._country)
