"""Origins: the cutoffs at which a rolling forecast is made, of series whose further course is known.

CountedBack(2), a horizon of 4     v v v v v v v v t t t t
(folds of a backtest)              v v v v v v v v v v v v t t t t
                                                                 ^ end of the series

Consecutive(), a horizon of 4,     v v v v v v t t t t
6 steps of context or more         v v v v v v v v v v t t t t
                                   v v v v v v v v v v v v v v t t
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecaster.arrays import IntArray
from forecaster.data.findings import SEASONS_WANTED
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.data.windows import WindowAddresses


class Origins(Protocol):
    """A rule that says from where to forecast."""

    def addresses(self, panel: Panel, horizon: int, min_context: int) -> WindowAddresses:
        """Gives windows with `min_context` visible steps or more, by series and then by cutoff; perhaps none."""


@dataclass(frozen=True)
class CountedBack:
    """The last `num_windows` folds of each series, as `rolling_origin` draws them: each has a whole target.

    SeriesError where some fold is left without a series.
    """

    num_windows: int
    step: int | None = None  # between cutoffs; None: the horizon

    def addresses(self, panel: Panel, horizon: int, min_context: int) -> WindowAddresses:
        """Gives windows with `min_context` visible steps or more, by series and then by cutoff."""
        folds = rolling_origin(panel, horizon, self.num_windows, self.step, min_context=min_context)
        series = np.concatenate([fold.series for fold in folds])
        cutoffs = np.concatenate([fold.cutoffs for fold in folds])
        order = np.lexsort((cutoffs, series))
        return WindowAddresses(series[order], cutoffs[order])


@dataclass(frozen=True)
class Consecutive:
    """A window every `horizon` steps, so that each step with context enough is forecast once, from before it.

    Targets begin with the first such step, or `last` steps before the end of each series where that is later. The last
    target may reach beyond the end. Steps that are added to a series move no cutoff, unless `last` is given.
    """

    last: int | None = None

    def addresses(self, panel: Panel, horizon: int, min_context: int) -> WindowAddresses:
        """Gives windows with `min_context` visible steps or more, by series and then by cutoff."""
        lengths = panel.lengths
        first = np.full(len(panel), min_context)
        if self.last is not None:
            first = np.maximum(first, lengths - self.last)
        counts = np.maximum(-(-(lengths - first) // horizon), 0)
        series = np.repeat(np.arange(len(panel)), counts)
        number = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
        return WindowAddresses(series, first[series] + number * horizon)


def default_min_context(panel: Panel, context_length: int) -> int:
    """Gives the visible steps that a rolling forecast asks for: two seasons, and no more than the model looks at."""
    return max(1, min(context_length, SEASONS_WANTED * panel.axis.frequency.season_length))


def with_a_value_to_see(panel: Panel, addresses: WindowAddresses, context_length: int) -> WindowAddresses:
    """Gives the windows that have an observed value in their last `context_length` visible steps."""
    seen = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    begins = panel.offsets[addresses.series]
    ends: IntArray = begins + addresses.cutoffs
    return addresses.at(np.flatnonzero(seen[ends] > seen[np.maximum(begins, ends - context_length)]))
