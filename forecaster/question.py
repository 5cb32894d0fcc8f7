"""A question: a forecast that is asked for, checked against the model, whose windows can be cut and answered anywhere.

    Predictor.question(panel) -> Question -- windows --> WindowBatch -- Predictor.answer --> values [B H Q]
                                    └───────────────── forecast(values) ──────────────────────┘

`Predictor.predict` does the three in a row. The service puts the windows of several questions into one batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import ModelConfig
from forecaster.counts import refuse_unfit
from forecaster.data.batches import batches_of
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows
from forecaster.errors import SeriesError
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes
from forecaster.types import Forecast, WindowBatch


@dataclass(frozen=True)
class Question(ABC):
    """What follows the end of each of some series: how far, and at which quantile levels."""

    model: ModelConfig  # with its context_length set
    horizon: int  # steps wanted, 1 or more
    levels: tuple[float, ...]  # Q, ascending
    series_ids: tuple[str, ...]  # S
    axis: TimeAxis
    ends: StoredTimes  # [S] stored time of the first step of each forecast

    @property
    def needs_roll_out(self) -> bool:
        """True where the horizon is longer than what the model forecasts at once."""
        return self.horizon > self.model.horizon

    def forecast(self, values: FloatArray, places: IntArray | None = None) -> Forecast:
        """Gives the forecast that answers [n H Q] are, of `horizon` steps or more: of all series, or of some."""
        series_ids, ends = self.series_ids, self.ends
        if places is not None:
            series_ids, ends = tuple(series_ids[place] for place in places), ends[places]
        return Forecast(series_ids, self.axis, ends, self.levels, values[:, : self.horizon])

    @abstractmethod
    def batches(self, size: int) -> list[IntArray]:
        """Gives the places [n] of the windows of each batch, about `size` at a time; groups stay together."""

    @abstractmethod
    def windows(self, places: IntArray) -> WindowBatch:
        """Cuts the windows that end where the series do, without targets; ColumnError for a covariate not there."""

    @abstractmethod
    def history(self, place: int) -> FloatArray:
        """Gives the values [n] of one series up to where its forecast begins, NaN where missing."""

    @abstractmethod
    def to_panel(self) -> Panel:
        """Gives the series, for those who need more of them than windows."""


@dataclass(frozen=True)
class PanelQuestion(Question):
    """A question about a panel, whatever is in it."""

    panel: Panel

    @classmethod
    def of(cls, panel: Panel, model: ModelConfig, horizon: int, levels: tuple[float, ...]) -> PanelQuestion:
        """Asks about a panel; SeriesError for values that the model cannot take in."""
        refuse_unfit(panel, model)
        return cls(model, horizon, levels, panel.series_ids, panel.axis, panel.ends, panel)

    def history(self, place: int) -> FloatArray:
        """Gives the values [n] of one series up to where its forecast begins, NaN where missing."""
        return self.panel.target(place)

    def to_panel(self) -> Panel:
        """Gives the panel."""
        return self.panel

    def batches(self, size: int) -> list[IntArray]:
        """Gives the places [n] of the windows of each batch, about `size` at a time; groups stay together."""
        return batches_of(self.panel, self._addresses, size)

    def windows(self, places: IntArray) -> WindowBatch:
        """Cuts the windows that end where the series do, without targets; ColumnError for a covariate not there."""
        return self._windows.gather(self._addresses.at(places))

    def refuse_blind(self) -> None:
        """Raises SeriesError for a series without a value in the steps that the model looks at."""
        panel, ends = self.panel, self.panel.offsets[1:]
        if not np.isnan(panel.values[ends - 1]).any():
            return
        observed = np.append(np.flatnonzero(~np.isnan(panel.values)), -1)  # the last place: before all values
        latest = observed[np.searchsorted(observed[:-1], ends) - 1]
        blind = np.flatnonzero(latest < np.maximum(ends - (self.model.context_length or 0), panel.offsets[:-1]))
        if len(blind):
            raise SeriesError(
                f"series {panel.series_ids[blind[0]]!r} has no value in its last {self.model.context_length} "
                f"steps, which is all that this model looks at ({len(blind)} such series)",
                code="no-recent-value",
            )

    @cached_property
    def _windows(self) -> Windows:
        return Windows.for_model(self.panel, self.model, with_target=False)

    @cached_property
    def _addresses(self) -> WindowAddresses:
        return WindowAddresses(np.arange(len(self.panel)), self.panel.lengths)
