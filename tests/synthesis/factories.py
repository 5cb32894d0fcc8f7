"""Orders of every kind of cycles, and the measures that tests take of series."""

from __future__ import annotations

import pytest
import torch

from forecaster.synthesis import CYCLE_WEIGHTS, FAMILIES
from forecaster.synthesis.parts import standardised

EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)
EACH_CYCLES = pytest.mark.parametrize("cycles", CYCLE_WEIGHTS, ids=lambda cycles: f"{cycles.season}-{cycles.longer}")

SHORTEST = 16 + 6  # steps of a window: the shortest context and horizon that are drawn


def autocorrelation(series: torch.Tensor, lag: int) -> torch.Tensor:
    """Gives for each row of [S T] how its changes go along with those `lag` steps before, -1 to 1."""
    changes = standardised(series.diff(dim=1))
    return (changes[:, lag:] * changes[:, :-lag]).mean(dim=1)
