"""The loss of a whole step: on a GPU one recording of it, played again for every step of a block.

A step is thousands of small kernels, which a processor launches more slowly than a GPU computes them. The steps of a
block have the same shapes: the first is recorded, forwards and backwards, as two CUDA graphs, which the others replay.
While it is recorded no other thread may ask anything of the GPU, as the copying into pinned memory does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, cast

import torch
from torch import nn

from forecaster.model.network import Network
from forecaster.training.pretraining.loss import RelativeLoss
from forecaster.training.pretraining.windows import SyntheticPart
from forecaster.types import WindowBatch

_TENSORS = 4  # of a part

Loss = Callable[..., torch.Tensor]


class StepLoss(nn.Module):
    """The mean loss of parts of these shapes, with the weights of a network."""

    def __init__(self, network: Network, parts: Sequence[SyntheticPart]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(relative_loss(network, part) for part in parts)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Gives the loss of what `tensors_of` gives of parts."""
        losses = []
        for place, loss in enumerate(self.parts):
            context, observed, target, target_observed = tensors[_TENSORS * place : _TENSORS * (place + 1)]
            losses.append(loss(WindowBatch(context, observed, target, target_observed)))
        return torch.stack(losses).mean()


class LossOfSteps:
    """Gives the loss of step after step; what the steps of a block share is made once."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._shapes: object = None
        self._loss: Loss | None = None
        self._memory: Any = None  # that recordings share

    def __call__(self, parts: Sequence[SyntheticPart]) -> torch.Tensor:
        """Gives the mean loss of the parts of a step."""
        shapes = [(*part.batch.context.shape, part.horizon, part.cycles) for part in parts]
        tensors = tensors_of(parts)
        if self._loss is None or shapes != self._shapes:
            loss = StepLoss(self._network, parts)
            self._loss = self._recorded(loss, tensors) if tensors[0].is_cuda else loss  # the old one goes last
            self._shapes = shapes
        return self._loss(*tensors)

    def _recorded(self, loss: StepLoss, tensors: tuple[torch.Tensor, ...]) -> Loss:
        """Records a step forwards and backwards, without the cache of autocast, which would outlive it."""
        self._memory = self._memory or torch.cuda.graph_pool_handle()
        autocast, dtype = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", dtype, autocast, cache_enabled=False):
            recorded = torch.cuda.make_graphed_callables(loss, tensors, 1, allow_unused_input=True, pool=self._memory)
        return cast("Loss", recorded)


def relative_loss(network: Network, part: SyntheticPart) -> RelativeLoss:
    """Gives the loss of windows of the shape and the cycles of a part."""
    shaped = network.reshaped(context_length=part.context_length, horizon=part.horizon, lags=part.cycles.lags)
    return RelativeLoss(shaped, part.cycles.season)


def tensors_of(parts: Sequence[SyntheticPart]) -> tuple[torch.Tensor, ...]:
    """Gives what the windows of parts consist of, part by part."""
    return tuple(chain.from_iterable(part.tensors for part in parts))
