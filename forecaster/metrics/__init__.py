"""Accuracy of quantile forecasts against actuals: of each step, of windows, and the scales that make series alike."""

from forecaster.metrics.losses import POINT, StepLosses, step_losses
from forecaster.metrics.scale import running_mean, seasonal_scale, seasonal_scales
from forecaster.metrics.scores import Scores, score, scores_of, share_name

__all__ = [
    "POINT",
    "Scores",
    "StepLosses",
    "running_mean",
    "score",
    "scores_of",
    "seasonal_scale",
    "seasonal_scales",
    "share_name",
    "step_losses",
]
