"""Losses of two models on the same windows, simulated: how often a comparison is wrong can be counted."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import FloatArray, IntArray

Losses = tuple[FloatArray, FloatArray, IntArray, IntArray]


def losses(draw: np.random.Generator, num_series: int, num_folds: int, better_by: float = 0.0) -> Losses:
    """Gives losses of two models: what is hard for both, what is so of a series or fold for one, and noise."""

    def normal(sd: float, *shape: int) -> FloatArray:
        return draw.normal(0, sd, shape)

    hard = normal(0.5, num_series, 1) + normal(0.3, 1, num_folds) + normal(0.3, num_series, num_folds)
    one, other = (
        np.exp(
            hard + normal(0.1, num_series, 1) + normal(0.03, 1, num_folds) + normal(0.2, num_series, num_folds)
        ).ravel()
        for _ in range(2)
    )
    series, fold = (places.ravel() for places in np.indices((num_series, num_folds)))
    return (1 - better_by) * one, other, series, fold
