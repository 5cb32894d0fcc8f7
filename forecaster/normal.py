"""The standard normal distribution of arrays, computed by PyTorch: scipy gives the same and takes .2 s to import."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.arrays import FloatArray, IntArray

_BISECTIONS = 60


def normal_quantiles(probabilities: FloatArray) -> FloatArray:
    """Gives the quantile at each probability, -inf at 0 and inf at 1, to 1e-15 of itself."""
    return np.asarray(torch.special.ndtri(_tensor(probabilities)).numpy())


def normal_probabilities(values: FloatArray) -> FloatArray:
    """Gives the probability of staying below each value, to 1e-15: far below 0 that is no longer a share of itself."""
    return np.asarray(torch.special.ndtr(_tensor(values)).numpy())


def chi_square_quantiles(probability: float, degrees: IntArray) -> FloatArray:
    """Gives the quantile, to 1e-11 of itself, of the sum of squares of so many independent normals [n], each 1 or more.

    Found by bisection of the regularised lower incomplete gamma function P(degrees / 2, x / 2).
    """
    half, wanted = _tensor(np.asarray(degrees, dtype=np.float64) / 2), torch.tensor(probability, dtype=torch.float64)
    low, high = torch.zeros_like(half), half + 1
    while (short := torch.special.gammainc(half, high) < wanted).any():
        high = torch.where(short, 2 * high, high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_below = torch.special.gammainc(half, middle) < wanted
        low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return np.asarray((low + high).numpy())


def _tensor(values: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64, order="C"))  # a copy: torch warns of what is read-only
