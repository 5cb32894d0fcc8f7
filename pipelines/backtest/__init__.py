"""Backtests: versions and baselines on the same rolling-origin folds, and what tells one from the other."""
