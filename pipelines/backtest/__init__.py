"""Backtests: versions and baselines on the same rolling-origin folds, and what tells one from the other."""

from pipelines.backtest.compare import SEASONAL_NAIVE, Trained, compare

__all__ = ["SEASONAL_NAIVE", "Trained", "compare"]
