"""Dropout (Srivastava et al. 2014) that draws its mask four numbers at a time.

PyTorch draws one number per element on a CPU, serially: a quarter of a training step of this network went there.
Here each draw of 64 random bits decides about four elements, 16 bits each. Elsewhere PyTorch's own is used.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_STEPS = 65_536  # a share is rounded to a multiple of 1 / _STEPS
_LOWEST = -32_768  # of the 16-bit numbers drawn


class Dropout(nn.Module):
    """In training, sets each number to 0 with probability `share` and divides the others by 1 - share."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = min(round(share * _STEPS), _STEPS - 1) / _STEPS

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Gives numbers of the same shape and dtype; outside of training the same ones."""
        if not self.training or self.share == 0:
            return numbers
        if numbers.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(numbers, self.share)
        dropped = _draws(numbers.numel()).reshape(numbers.shape) < self.share * _STEPS + _LOWEST
        return numbers.masked_fill(dropped, 0.0).mul_(1 / (1 - self.share))


def _draws(count: int) -> torch.Tensor:
    """Gives `count` independent uniform 16-bit integers from torch's default generator."""
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[:count]
