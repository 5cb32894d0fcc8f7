"""The standard normal distribution of arrays, computed by PyTorch: scipy gives the same and takes .2 s to import."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.arrays import FloatArray


def normal_quantiles(probabilities: FloatArray) -> FloatArray:
    """Gives the quantile at each probability, -inf at 0 and inf at 1, to 1e-15 of itself."""
    return np.asarray(torch.special.ndtri(_tensor(probabilities)).numpy())


def normal_probabilities(values: FloatArray) -> FloatArray:
    """Gives the probability of staying below each value, to 1e-15: far below 0 that is no longer a share of itself."""
    return np.asarray(torch.special.ndtr(_tensor(values)).numpy())


def _tensor(values: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64, order="C"))  # a copy: torch warns of what is read-only
