"""Metrics of many forecast windows, in total, per horizon step and per window: means of what each step loses.

Axes: W windows (one series at one cutoff), H horizon. What is NaN among the losses takes part in no metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray
from forecaster.metrics.losses import StepLosses, step_losses


@dataclass(frozen=True)
class Scores:
    """Metrics of one forecaster over W windows; `*_by_step` have shape [H]. NaN where nothing could be scored.

    CRPS and interval scores are in the unit of the target, so series of large numbers count most; all others have no
    unit.
    """

    num_windows: int
    mase: float
    smape: float
    rmsse: float
    weighted_quantile_loss: float
    crps: float
    scaled_crps: float  # CRPS / scale of MASE
    bias: float  # mean (forecast - actual) / scale of MASE: above 0 where forecasts are too high
    coverage: dict[float, float]  # nominal share of a central interval -> observed share
    interval_score: dict[float, float]  # the same share -> score
    mase_by_step: FloatArray
    smape_by_step: FloatArray
    rmsse_by_step: FloatArray
    weighted_quantile_loss_by_step: FloatArray
    crps_by_step: FloatArray
    scaled_crps_by_step: FloatArray
    bias_by_step: FloatArray
    coverage_by_step: dict[float, FloatArray]
    interval_score_by_step: dict[float, FloatArray]
    mase_by_window: FloatArray  # [W]
    scaled_crps_by_window: FloatArray  # [W]

    def as_metrics(self) -> dict[str, float]:
        """Gives the totals under the names that every run logs; what could not be scored is left out."""
        named = {
            "mase": self.mase,
            "smape": self.smape,
            "rmsse": self.rmsse,
            "wql": self.weighted_quantile_loss,
            "crps": self.crps,
            "scaled_crps": self.scaled_crps,
            "bias": self.bias,
            **{share_name("coverage", share): value for share, value in self.coverage.items()},
            **{share_name("interval_score", share): value for share, value in self.interval_score.items()},
        }
        return {name: float(value) for name, value in named.items() if np.isfinite(value)}

    def as_metrics_by_step(self) -> dict[str, FloatArray]:
        """Gives the curves over the horizon under the names that every run logs, each of shape [H]."""
        named = {
            "mase": self.mase_by_step,
            "smape": self.smape_by_step,
            "rmsse": self.rmsse_by_step,
            "wql": self.weighted_quantile_loss_by_step,
            "crps": self.crps_by_step,
            "scaled_crps": self.scaled_crps_by_step,
            "bias": self.bias_by_step,
            **{share_name("coverage", share): curve for share, curve in self.coverage_by_step.items()},
            **{share_name("interval_score", share): curve for share, curve in self.interval_score_by_step.items()},
        }
        return {f"{name}_by_step": curve for name, curve in named.items()}


def share_name(metric: str, share: float) -> str:
    """Gives the name of a metric of the central interval of a share: 'coverage_80'."""
    return f"{metric}_{100 * share:g}"


def score(
    actual: FloatArray,
    quantiles: FloatArray,
    levels: tuple[float, ...],
    scales: FloatArray,
    rmsse_scales: FloatArray | None = None,
) -> Scores:
    """Scores forecasts [W H Q] of ascending `levels` (0.5 among them) against actuals [W H], as `scores_of` does.

    `scales` [W] are the denominators of MASE, `rmsse_scales` [W] those of RMSSE, which is NaN without them.
    """
    return scores_of(step_losses(actual, quantiles, levels, scales, rmsse_scales))


def scores_of(losses: StepLosses) -> Scores:
    """Gives the metrics of some windows from what their steps lose.

    All but two are means per window, then over windows; the RMSSE of a window is the root of its mean square. The
    weighted quantile loss pools windows: the sum of the quantile losses over the sum of |y|. Coverage is the pooled
    share of actuals inside a central interval.
    """
    mase_by_window = _nanmean(np.abs(losses.scaled_error), axis=1)
    scaled_crps_by_window = _nanmean(losses.scaled_crps, axis=1)
    return Scores(
        num_windows=len(losses.actual),
        mase=_total(mase_by_window),
        smape=_over_windows(losses.smape),
        rmsse=_total(np.sqrt(_nanmean(losses.root_scaled_error**2, axis=1))),
        weighted_quantile_loss=float(_weighted(losses.quantile_loss, losses.actual, axis=None)),
        crps=_over_windows(losses.crps),
        scaled_crps=_total(scaled_crps_by_window),
        bias=_over_windows(losses.scaled_error),
        coverage={share: _total(hits) for share, hits in losses.inside.items()},
        interval_score={share: _over_windows(lost) for share, lost in losses.interval_score.items()},
        mase_by_step=_nanmean(np.abs(losses.scaled_error), axis=0),
        smape_by_step=_nanmean(losses.smape, axis=0),
        rmsse_by_step=_nanmean(losses.root_scaled_error, axis=0),
        weighted_quantile_loss_by_step=_weighted(losses.quantile_loss, losses.actual, axis=0),
        crps_by_step=_nanmean(losses.crps, axis=0),
        scaled_crps_by_step=_nanmean(losses.scaled_crps, axis=0),
        bias_by_step=_nanmean(losses.scaled_error, axis=0),
        coverage_by_step={share: _nanmean(hits, axis=0) for share, hits in losses.inside.items()},
        interval_score_by_step={share: _nanmean(lost, axis=0) for share, lost in losses.interval_score.items()},
        mase_by_window=mase_by_window,
        scaled_crps_by_window=scaled_crps_by_window,
    )


def _weighted(loss: FloatArray, actual: FloatArray, axis: int | None) -> FloatArray:
    total = np.asarray(np.nansum(np.abs(actual), axis=axis))
    lost = np.asarray(np.nansum(loss, axis=axis))
    return np.asarray(np.divide(lost, total, out=np.full(total.shape, np.nan), where=total > 0))


def _nanmean(values: FloatArray, axis: int) -> FloatArray:
    """Gives the mean over observed values, NaN (without a warning) where there are none."""
    observed = ~np.isnan(values)
    count = observed.sum(axis=axis)
    total = np.where(observed, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def _over_windows(losses: FloatArray) -> float:
    """Gives the mean of each window [W H], then over windows."""
    return _total(_nanmean(losses, axis=1))


def _total(values: FloatArray) -> float:
    return float(_nanmean(values.reshape(-1), axis=0))
