"""An exponential moving average of the weights, which is what is validated and kept."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

Weights = tuple[torch.Tensor, ...] | list[torch.Tensor]


class MovingAverage(WeightAveraging):
    """Keeps the share min(decay, (1 + n) / (10 + n)) of the average at the n-th step, and takes the rest anew.

    The share rises from 0.1, so that the first random weights are soon forgotten. Checkpoints hold both the
    average (`state_dict`) and the weights that training goes on with.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=_average_with(decay))


def _average_with(decay: float) -> Callable[[Weights, Weights, torch.Tensor | int], None]:
    def average(averaged: Weights, current: Weights, num_averaged: torch.Tensor | int) -> None:
        num = float(num_averaged)
        move = get_ema_multi_avg_fn(min(decay, (1 + num) / (10 + num)))  # type: ignore[no-untyped-call]
        move(averaged, current, num_averaged)

    return average
