"""What stood a whole cycle earlier, as further numbers of a step: a cycle need not be a multiple of a patch.

steps    1 2 3 4 5 | . . . .      L = 5, four steps ahead
lag 3    . . . 1 2 | 3 4 5 3      ahead, the latest visible step of the same phase
"""

from __future__ import annotations

import torch

from forecaster.types import Masked


def lagged(values: torch.Tensor, observed: torch.Tensor, lag: int, num_ahead: int) -> Masked:
    """Gives, for each step of a context [B L] and `num_ahead` more, the value of a step `lag` (or k x lag) earlier.

    k is the least that leads back into the context. Where that is before its first step, and with lag 0 everywhere,
    nothing is observed. [B L+num_ahead] each.
    """
    rows, length = values.shape
    if lag == 0:
        nothing = values.new_zeros(rows, length + num_ahead)
        return Masked(nothing, nothing.to(torch.bool))
    steps = torch.arange(length + num_ahead, device=values.device)
    num_cycles = torch.div(steps - length, lag, rounding_mode="floor").clamp(min=0) + 1
    source = steps - lag * num_cycles
    places = source.clamp(min=0)
    there = observed[:, places] & (source >= 0)
    return Masked(torch.where(there, values[:, places], 0.0), there)
