"""The ridge regression as a baseline: what the linear part of a model would give alone, fitted for each fold.

It looks as far back as the model, at the same known covariates, scaled in the same way. What the encoder is worth is
told by the distance to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold
from forecaster.data.windows import WindowAddresses, WindowIndex, Windows, training_windows
from forecaster.errors import SeriesError
from forecaster.model.network import scaled_for
from forecaster.model.scaling import unscale
from forecaster.model.skips.linear import LinearSkip
from forecaster.training.prefit import RidgeFit

_HELD_BACK = 0.2  # of each series, to tell errors from
_MAX_HELD_BACK_WINDOWS = 8_192
_WINDOWS_PER_FORWARD = 1_024


@dataclass(frozen=True)
class RidgeBaseline:
    """Fits a ridge regression to what a fold may see, and its quantiles to errors of a part that was held back.

    The last fifth of each series, 2 horizons at least, is forecast by a regression on what lies before; the quantiles
    of these errors, for each step, stand around the forecast of the regression on all of it (Vovk et al. 2005, split
    conformal prediction). The forecast at level 0.5 so differs from the regression by the median error.
    """

    model: ModelConfig  # resolved; its horizon, context, scaling and known covariates count

    def fitted(self, visible: Panel, fold: Fold) -> FittedRidge:
        """Fits on what a fold may see; SeriesError where there are too few whole windows for both parts."""
        horizon, lengths = self.model.horizon, visible.lengths
        held_back = np.maximum(2 * horizon, (_HELD_BACK * lengths).astype(np.int64))
        ends = np.clip(lengths - held_back, np.minimum(horizon + 1, lengths), lengths)
        windows = Windows.for_model(visible, self.model)
        shortest = max(1, min(windows.context_length, int(lengths.max())) // 2)
        fit = RidgeFit(
            self.model,
            _Data(
                windows,
                training=training_windows(visible, horizon, ends, shortest),
                seen=training_windows(visible, horizon, lengths, shortest),
            ),
        )
        held_back_windows = WindowIndex(np.maximum(ends, 1), lengths - horizon).thinned(_MAX_HELD_BACK_WINDOWS)
        errors = _errors(fit, fit.trained, held_back_windows)
        if not len(errors):
            raise SeriesError(
                f"the ridge baseline has no whole window to tell its errors from in fold {fold.number}, whose longest "
                f"series shows {lengths.max()} steps at a horizon of {horizon}: leave it out or give longer series",
                code="too-short",
            )
        fit.skip.start_at(fit.refitted)
        return FittedRidge(self.model, fit.skip, errors)


@dataclass(frozen=True)
class FittedRidge:
    """A ridge regression of one fold, and by how much it was wrong."""

    model: ModelConfig
    skip: LinearSkip
    errors: FloatArray  # [n H] actual less forecast, scaled

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing only the first `cutoffs[b]` steps; NaN where all are missing."""
        addresses = WindowAddresses(series, cutoffs)
        windows = Windows.for_model(panel, self.model, with_target=False)
        around = torch.from_numpy(np.quantile(self.errors, levels, axis=0).T)  # [H Q]
        blocks = []
        for begin in range(0, len(series), _WINDOWS_PER_FORWARD):
            batch = windows.gather(addresses.at(slice(begin, begin + _WINDOWS_PER_FORWARD)))
            window = scaled_for(self.model, batch.context, batch.observed)
            located = self.skip.located(window.values.double(), self.skip.known(batch.covariates))
            values = unscale(located.unsqueeze(2) + around, window.scale)
            blocks.append(torch.where(batch.observed.any(dim=1)[:, None, None], values, torch.nan).numpy())
        return np.concatenate(blocks)[:, :horizon]


@dataclass(frozen=True)
class _Data:
    """The windows of a baseline."""

    windows: Windows
    training: WindowIndex
    seen: WindowIndex


def _errors(fit: RidgeFit, weight: torch.Tensor, addresses: WindowAddresses) -> FloatArray:
    """Gives by how much the actuals of some windows lie above what weights say, scaled [n H]."""
    fit.skip.start_at(weight)
    blocks = [
        (windows.target - fit.skip.located(windows.values, windows.known)).numpy()
        for windows in fit.scaled_windows(addresses)
    ]
    return np.concatenate([np.empty((0, fit.model.horizon)), *blocks])
