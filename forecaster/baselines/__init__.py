"""The yardsticks that a model has to beat."""

from forecaster.baselines.seasonal_naive import SeasonalNaive

__all__ = ["SeasonalNaive"]
