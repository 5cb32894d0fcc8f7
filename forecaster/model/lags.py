"""What stood a whole cycle earlier, as further numbers of a step: a cycle need not be a multiple of a patch.

steps    1 2 3 4 5 | . . . .      L = 5, four steps ahead
lag 3    . . . 1 2 | 3 4 5 3      ahead, the latest visible step of the same phase
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from forecaster.types import Masked


def sources(length: int, num_ahead: int, lags: Sequence[int]) -> torch.Tensor:
    """Gives which step of a context of `length` steps each step [T] of it and ahead is shown by each lag [G]: int64.

    It is `lag` (or k x lag) earlier; k is the least that leads back into the context. Where that is before its first
    step, and with lag 0 everywhere, it is -1. [T G], T = length + num_ahead.
    """
    steps, cycles = torch.arange(length + num_ahead).unsqueeze(-1), torch.tensor(lags, dtype=torch.int64)
    num_cycles = torch.div(steps - length, cycles.clamp(min=1), rounding_mode="floor").clamp(min=0) + 1
    return torch.where(cycles > 0, steps - cycles * num_cycles, -1).clamp(min=-1)


def lagged(values: torch.Tensor, observed: torch.Tensor, sources: torch.Tensor) -> Masked:
    """Gives [B T G] what stands at the `sources` [T G] of contexts [B L]; at those of -1 nothing is observed."""
    places = sources.clamp(min=0)
    there = observed[:, places] & (sources >= 0)
    return Masked(torch.where(there, values[:, places], 0.0), there)
