"""How much of a distribution each of some levels stands for. Imports no PyTorch, unlike quantile functions."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import FloatArray


def level_weights(levels: tuple[float, ...]) -> FloatArray:
    """Gives the probability [Q] that each level stands for: of what lies nearer to it than to its neighbours."""
    return np.diff(cell_edges(levels))


def cell_edges(levels: tuple[float, ...]) -> FloatArray:
    """Gives where the part of each ascending level begins and ends [Q + 1], from 0 to 1."""
    known = np.asarray(levels)
    return np.concatenate([[0.0], (known[1:] + known[:-1]) / 2, [1.0]])
