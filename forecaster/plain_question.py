"""A question about plain series, the case that nearly all requests are: its windows are cut without a panel.

Plain series are numbers without a gap, with nothing beside them, asked of a model that reads nothing else. Whatever is
not plain takes the way through a panel, and both ways give the same windows and the same forecast. For one series of
512 values this one takes a tenth of the other's time, most of which goes into a hundred small calls of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import ModelConfig
from forecaster.counts import refuse_unfit, takes_any_value
from forecaster.data.findings import SEASONS_WANTED
from forecaster.data.panel import Panel
from forecaster.data.panel_checks import MAX_VALUE
from forecaster.question import Question
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes
from forecaster.types import WindowBatch


@dataclass(frozen=True)
class PlainSeries:
    """Series that are numbers without a gap: no NaN, nothing beyond MAX_VALUE; `plain_series` makes them."""

    ids: tuple[str, ...]  # S, unique
    starts: StoredTimes  # [S] on the grid
    targets: tuple[FloatArray, ...]  # S times [n]
    axis: TimeAxis


def plain_series(
    ids: Sequence[str], starts: StoredTimes, targets: Sequence[Sequence[float | None]], axis: TimeAxis
) -> PlainSeries | None:
    """Gives series that start at stored times [S] and have nothing for a data report to find, None for all others.

    That is: a unique id, a start on the grid, two seasons or more, all of them numbers in range, and not all the same.
    """
    shortest = SEASONS_WANTED * axis.frequency.season_length
    if len(set(ids)) < len(ids) or not axis.frequency.holds_all(starts):
        return None
    arrays = tuple(np.array(target, dtype=np.float64) for target in targets)
    for array in arrays:
        low, high = array.min(), array.max()  # NaN where there is one, and then no comparison holds
        if not (-MAX_VALUE <= low < high <= MAX_VALUE and len(array) >= shortest):
            return None
    return PlainSeries(tuple(ids), starts, arrays, axis)


@dataclass(frozen=True)
class PlainQuestion(Question):
    """A question about plain series, put to a model that reads nothing but the values of its context."""

    series: PlainSeries

    @classmethod
    def of(cls, series: PlainSeries, model: ModelConfig, horizon: int, levels: tuple[float, ...]) -> PlainQuestion:
        """Asks about plain series; SeriesError for values that the model cannot take in."""
        lengths = np.array([len(target) for target in series.targets])
        ends = series.axis.frequency.advance(series.starts, lengths)
        question = cls(model, horizon, levels, series.ids, series.axis, ends, series)
        if not takes_any_value(model):
            refuse_unfit(question.to_panel(), model)
        return question

    def batches(self, size: int) -> list[IntArray]:
        """Gives the places [n] of the windows of each batch, `size` at a time."""
        num_series = len(self.series_ids)
        return [np.arange(begin, min(begin + size, num_series)) for begin in range(0, num_series, size)]

    def windows(self, places: IntArray) -> WindowBatch:
        """Cuts the windows [n] that end where the series do, without targets."""
        length, num_windows = self.model.context_length or 0, len(places)
        context, observed = np.zeros((num_windows, length)), np.ones((num_windows, length), dtype=np.bool_)
        for row, place in enumerate(places.tolist()):
            target = self.series.targets[place]
            missing = max(0, length - len(target))
            context[row, missing:] = target[-length:]
            observed[row, :missing] = False
        return WindowBatch(
            torch.from_numpy(context),
            torch.from_numpy(observed),
            torch.from_numpy(context[:, :0]),
            torch.from_numpy(observed[:, :0]),
        )

    def history(self, place: int) -> FloatArray:
        """Gives the values [n] of one series, none of them missing."""
        return self.series.targets[place]

    def to_panel(self) -> Panel:
        """Gives the series as a panel."""
        return Panel.from_arrays(self.series.ids, self.series.starts, self.series.targets, self.series.axis)
