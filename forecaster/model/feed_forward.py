"""The part of a block in which each token thinks for itself: three kinds, one table of names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from forecaster.config import ModelConfig


class FeedForward(nn.Module):
    """The same two-layer map for every token: D -> `num_hidden` -> activation -> `num_active` -> D."""

    def __init__(self, d_model: int, num_hidden: int, activation: nn.Module, num_active: int) -> None:
        super().__init__()
        self.inward = nn.Linear(d_model, num_hidden)
        self.activation = activation
        self.outward = nn.Linear(num_active, d_model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]."""
        thought: torch.Tensor = self.outward(self.activation(self.inward(tokens)))
        return thought


class Gated(nn.Module):
    """SwiGLU (Shazeer 2020, "GLU Variants Improve Transformer"): half of the hidden numbers gate the other half."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Gives silu(first half) x second half."""
        gate, value = hidden.chunk(2, dim=-1)
        return F.silu(gate) * value


def plain(config: ModelConfig, activation: nn.Module) -> FeedForward:
    """Gives D -> d_ff -> activation -> D."""
    return FeedForward(config.d_model, config.d_ff, activation, config.d_ff)


def gated(config: ModelConfig) -> FeedForward:
    """Gives D -> 2 x width -> gated -> width -> D, where width is 2/3 d_ff, so that it costs what a plain one does."""
    width = max(1, 2 * config.d_ff // 3)
    return FeedForward(config.d_model, 2 * width, Gated(), width)


FEED_FORWARDS: dict[str, Callable[[ModelConfig], FeedForward]] = {
    "relu": lambda config: plain(config, nn.ReLU()),
    "gelu": lambda config: plain(config, nn.GELU()),
    "swiglu": gated,
}
