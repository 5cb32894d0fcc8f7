"""Rolling forecasts: what a model says at many cutoffs of series, beside what followed there.

    Predictor.rolling_question(panel, origins) -> RollingQuestion -- windows --> Predictor.answer --> values [W H Q]
                                                         └──────────── rolled(values) ──> Rolled

Nothing is fitted: each window sees the values before its cutoff, and the covariates that were known there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import ModelConfig
from forecaster.counts import refuse_unfit, support_of
from forecaster.data.batches import batches_of
from forecaster.data.origins import Origins, default_min_context, with_a_value_to_see
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows, cutoff_times
from forecaster.errors import SeriesError
from forecaster.quantile_function import quantiles_at
from forecaster.support import Support, in_support, kept_within
from forecaster.time.grid import StoredTimes
from forecaster.types import Forecast, WindowBatch


@dataclass(frozen=True)
class RollingQuestion:
    """What follows some cutoffs of the series of a panel: how far, and at which quantile levels."""

    model: ModelConfig  # with its context_length set
    panel: Panel
    addresses: WindowAddresses  # W, by series and then by cutoff
    horizon: int  # 1 .. the model's
    levels: tuple[float, ...]  # Q, ascending
    min_context: int  # visible steps of each window, at least

    @classmethod
    def of(
        cls,
        panel: Panel,
        model: ModelConfig,
        origins: Origins,
        horizon: int,
        levels: tuple[float, ...],
        min_context: int | None = None,
    ) -> RollingQuestion:
        """Asks about the windows of `origins` that have a value to see.

        SeriesError where there are none, and for values that the model cannot take in. `min_context` is two seasons
        by default, or what the model looks at where that is less.
        """
        refuse_unfit(panel, model)
        length = model.context_length or 0
        least = default_min_context(panel, length) if min_context is None else min_context
        addresses = with_a_value_to_see(panel, origins.addresses(panel, horizon, least), length)
        if not len(addresses):
            raise SeriesError(
                f"the longest series has {panel.lengths.max()} steps, and none has a step to forecast with {least} "
                "before it: give longer series or a lower min_context",
                code="too-short",
            )
        return cls(model, panel, addresses, horizon, levels, least)

    @property
    def num_windows(self) -> int:
        """Windows of all series (W)."""
        return len(self.addresses)

    @property
    def num_seen(self) -> IntArray:
        """[W] steps that each window shows to the model."""
        return np.minimum(self.addresses.cutoffs, self.model.context_length or 0)

    def batches(self, size: int) -> list[IntArray]:
        """Gives the places [n] of the windows of each batch, about `size` at a time; groups stay together."""
        return batches_of(self.panel, self.addresses, size)

    def windows(self, places: IntArray) -> WindowBatch:
        """Cuts the windows at these places, without targets; ColumnError for a covariate not there."""
        return self._windows.gather(self.addresses.at(places))

    def rolled(self, values: FloatArray) -> Rolled:
        """Gives what answers [W H Q], of `horizon` steps or more, say."""
        kept = values[:, : self.horizon]
        return Rolled(self.panel, self.addresses, self.levels, kept, support_of(self.model))

    @cached_property
    def _windows(self) -> Windows:
        return Windows.for_model(self.panel, self.model, with_target=False)


@dataclass(frozen=True)
class Rolled:
    """Forecasts from W cutoffs of a panel, by series and then by cutoff, beside what followed."""

    panel: Panel
    addresses: WindowAddresses  # W
    levels: tuple[float, ...]  # Q, ascending
    values: FloatArray  # [W H Q], ascending along Q
    support: Support = "any"

    @property
    def horizon(self) -> int:
        """Steps of each forecast (H)."""
        return int(self.values.shape[1])

    @property
    def starts(self) -> StoredTimes:
        """[W] stored time of the first step of each forecast."""
        return cutoff_times(self.panel, self.addresses)

    @cached_property
    def num_steps(self) -> IntArray:
        """[W] steps of each forecast that lie within its series: H, but for the last window perhaps."""
        left = self.panel.lengths[self.addresses.series] - self.addresses.cutoffs
        return np.asarray(np.minimum(left, self.horizon))

    @cached_property
    def rows(self) -> IntArray:
        """[W H] place among the panel's values of each step; -1 beyond the end of its series."""
        steps = np.arange(self.horizon)
        begins = self.panel.offsets[self.addresses.series] + self.addresses.cutoffs
        return np.where(steps < self.num_steps[:, np.newaxis], begins[:, np.newaxis] + steps, -1)

    @cached_property
    def actual(self) -> FloatArray:
        """[W H] what followed; NaN where that is missing, and beyond the end of the series."""
        return np.where(self.rows < 0, np.nan, self.panel.values[self.rows])

    def places(self, position: int) -> slice:
        """Gives where the windows of one series stand."""
        begin, end = np.searchsorted(self.addresses.series, [position, position + 1])
        return slice(int(begin), int(end))

    def at(self, levels: tuple[float, ...]) -> Rolled:
        """Gives the same forecasts at other levels, ascending, as a `quantile_function` knows them.

        Between levels that is linear; beyond the outermost it is the normal distribution through the two of that side:
        of logarithms where the model takes them. Counts are rounded.
        """
        if levels == self.levels:
            return self
        read = in_support(lambda known: quantiles_at(known, self.levels, np.asarray(levels)), self.values, self.support)
        return replace(self, levels=levels, values=kept_within(read, read, self.support))

    def to_forecast(self) -> Forecast:
        """Gives the forecasts as one, in which each window counts as a series."""
        ids = tuple(self.panel.series_ids[position] for position in self.addresses.series)
        return Forecast(ids, self.panel.axis, self.starts, self.levels, self.values)
