"""Fitting the raw numbers of a head to a sample, as the network would."""

from __future__ import annotations

import torch

from forecaster.model.heads import Head
from forecaster.types import Scale


def fitted(head: Head, sample: torch.Tensor, scale: Scale | None = None, num_steps: int = 300) -> torch.Tensor:
    """Gives the raw numbers [1 n K], one and the same at all steps, with the least loss on a scaled sample [n]."""
    raw = torch.tensor(head.initial_parameters(), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    target = sample.reshape(1, -1)
    observed = torch.ones_like(target, dtype=torch.bool)
    for _ in range(num_steps):
        optimizer.zero_grad()
        head.loss(raw.expand(1, len(sample), -1), target.to(torch.float64), observed, scale).backward()
        optimizer.step()
    return raw.detach().expand(1, 1, -1)
