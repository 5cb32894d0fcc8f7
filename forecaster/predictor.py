"""Panel -> forecasts: the one door that service, backtest, batch and `Forecaster` go through."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from forecaster.arrays import FloatArray, IntArray
from forecaster.calibration import Calibration
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows
from forecaster.errors import FrequencyError, RequestError, SeriesError
from forecaster.model.network import Network
from forecaster.model.scaling import unscale
from forecaster.time.frequency import Frequency
from forecaster.types import Forecast

_WINDOWS_PER_FORWARD = 256


class Predictor:
    """A trained network, ready to forecast panels of its frequency. Holds no state between calls."""

    def __init__(self, network: Network, frequency: Frequency, calibration: Calibration | None = None) -> None:
        self.network = network.eval()
        self.frequency = frequency
        self.calibration = calibration

    @property
    def horizon(self) -> int:
        """Longest horizon the network can forecast, in steps."""
        return self.network.config.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels that the network forecasts when none are asked for, ascending."""
        return self.network.config.levels

    def predict(self, panel: Panel, horizon: int | None = None, levels: Sequence[float] | None = None) -> Forecast:
        """Forecasts the `horizon` steps (default: the longest) after the end of each series of `panel`.

        Raises FrequencyError for a panel of another frequency, SeriesError for a series without a value in
        its last `context_length` steps, RequestError for a horizon beyond the model's or for levels that it
        cannot give.
        """
        horizon = self._checked_horizon(horizon)
        chosen = self._checked_levels(levels)
        values = self.forecast_windows(panel, np.arange(len(panel)), panel.lengths, horizon, chosen)
        blind = np.flatnonzero(np.isnan(values).any(axis=(1, 2)))
        if len(blind):
            raise SeriesError(
                f"series {panel.series_ids[blind[0]]!r} has no value in its last {self.network.context_length} steps, "
                f"which is all that this model looks at ({len(blind)} such series)",
                code="no-recent-value",
            )
        return Forecast(panel.series_ids, panel.axis, panel.ends, chosen, values)

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing only the first `cutoffs[b]` steps of its series.

        NaN for a window without an observed value. Raises FrequencyError for a panel of another frequency.
        """
        if panel.axis.frequency != self.frequency:
            raise FrequencyError(
                f"the data has frequency {panel.axis.frequency.alias!r}, "
                f"the model was trained on {self.frequency.alias!r}",
                code="frequency-mismatch",
            )
        windows = Windows(panel, self.network.context_length, 0)
        blocks = []
        for begin in range(0, len(series), _WINDOWS_PER_FORWARD):
            part = slice(begin, begin + _WINDOWS_PER_FORWARD)
            blocks.append(self._forward(windows, WindowAddresses(series[part], cutoffs[part]), levels))
        return np.concatenate(blocks)[:, :horizon]

    def quantiles(self, context: torch.Tensor, observed: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
        """Gives calibrated quantiles [B H Q] float64 of contexts [B L] at ascending levels, H the longest horizon."""
        with torch.inference_mode():
            output = self.network(context, observed)
            quantiles_at = partial(self.network.head.quantiles, output.parameters)
            scaled = self.calibration.adjusted(quantiles_at, levels) if self.calibration else quantiles_at(levels)
            return unscale(scaled, output.scale)

    def _forward(self, windows: Windows, addresses: WindowAddresses, levels: tuple[float, ...]) -> FloatArray:
        batch = windows.gather(addresses).to(next(self.network.parameters()).device)
        quantiles = self.quantiles(batch.context, batch.observed, levels)
        seen = batch.observed.any(dim=1)[:, None, None]
        return np.asarray(torch.where(seen, quantiles, torch.nan).cpu().numpy())

    def _checked_horizon(self, horizon: int | None) -> int:
        if horizon is None:
            return self.horizon
        if not 1 <= horizon <= self.horizon:
            raise RequestError(
                f"horizon {horizon} is outside 1..{self.horizon}, the range this model was trained for",
                code="horizon-out-of-range",
            )
        return horizon

    def _checked_levels(self, levels: Sequence[float] | None) -> tuple[float, ...]:
        if levels is None:
            return self.levels
        chosen = tuple(sorted(float(level) for level in levels))
        if not chosen or len(set(chosen)) != len(chosen):
            raise RequestError(f"quantile levels must be given once each, got {list(levels)}", code="invalid-levels")
        low, high = self.network.level_range
        if chosen[0] < low or chosen[-1] > high:
            raise RequestError(
                f"quantile levels {list(chosen)} reach outside {low}..{high}, the range of this model",
                code="level-out-of-range",
            )
        return chosen
