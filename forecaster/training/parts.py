"""Parts of a step's batch: what one process computes at a time, and how much it counts.

The windows of a step can be shared out, over time to save memory and over processes to save time. Each part has
the mean loss of its own targets; weighted by how many of all targets those are, the mean over parts is the loss of
the whole batch, and so is its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from forecaster.model.scaling import scale_context
from forecaster.types import WindowBatch


@dataclass(frozen=True)
class Part:
    """Some windows of a step."""

    batch: WindowBatch
    weight: float = 1.0  # targets of this part, over the mean of all parts
    number: int = 0  # among the parts of its step

    def to(self, device: torch.device | str) -> Part:
        """Gives the same part on another device."""
        return Part(self.batch.to(device), self.weight, self.number)


def cut_parts(batch: WindowBatch, num_parts: int, scaling: str, *, whole_groups: bool) -> list[Part]:
    """Cuts a batch into parts of about the same number of windows, weighted by their targets.

    With `whole_groups` windows of one group, which stand side by side, stay together. Where there are fewer groups
    than parts the rest repeat the first part with weight 0, as each process has to compute something.
    """
    if num_parts == 1:
        return [Part(batch)]
    ranges = _ranges(batch, num_parts, whole_groups)
    counts = num_targets(batch, scaling)
    mean = float(counts.sum()) / num_parts
    weights = [float(counts[rows].sum()) / mean if mean else 0.0 for rows in ranges]
    repeated = [0.0] * (num_parts - len(ranges))
    ranges += [ranges[0]] * len(repeated)
    parts = zip(ranges, weights + repeated, strict=True)
    return [Part(batch.rows(rows), weight, number) for number, (rows, weight) in enumerate(parts)]


def num_targets(batch: WindowBatch, scaling: str) -> torch.Tensor:
    """Gives how many targets of each window [B] the loss is taken over: observed ones after a context that varies."""
    spread = scale_context(batch.context, batch.observed, scaling).scale.spread
    return (batch.target_observed & (spread > 0)).sum(dim=1)


def _ranges(batch: WindowBatch, num_parts: int, whole_groups: bool) -> list[slice]:
    """Gives the rows of `num_parts` parts, or of fewer where there are not as many groups."""
    begins = torch.arange(len(batch.context))
    if whole_groups and batch.groups is not None:
        begins = torch.cat([begins[:1], 1 + torch.nonzero(batch.groups.diff()).flatten()])
    edges = [*begins.tolist(), len(batch.context)]
    num_units = len(begins)
    cuts = sorted({edges[round(part * num_units / num_parts)] for part in range(num_parts + 1)})
    return [slice(begin, end) for begin, end in pairwise(cuts)]
