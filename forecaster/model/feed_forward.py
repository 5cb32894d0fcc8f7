"""The part of a block in which each token thinks for itself: three kinds, one table of names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from forecaster.config import ModelConfig


class FeedForward(nn.Module):
    """The same two-layer map for every token: D -> d_ff -> activation -> D."""

    def __init__(self, config: ModelConfig, activation: nn.Module) -> None:
        super().__init__()
        self.inward = nn.Linear(config.d_model, config.d_ff)
        self.activation = activation
        self.outward = nn.Linear(config.d_ff, config.d_model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]."""
        thought: torch.Tensor = self.outward(self.activation(self.inward(tokens)))
        return thought


class Gated(nn.Module):
    """SwiGLU (Shazeer 2020, "GLU Variants Improve Transformer"): half of the hidden numbers gate the other half."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Gives silu(first half) x second half, [B N d_ff / 2 each]."""
        gate, value = hidden.chunk(2, dim=-1)
        return F.silu(gate) * value


class GatedFeedForward(FeedForward):
    """D -> 2 x width -> gated -> width -> D, where width is 2/3 d_ff, so that it costs what the plain one does."""

    def __init__(self, config: ModelConfig) -> None:
        width = max(1, 2 * config.d_ff // 3)
        super().__init__(config, Gated())
        self.inward = nn.Linear(config.d_model, 2 * width)
        self.outward = nn.Linear(width, config.d_model)


FEED_FORWARDS: dict[str, Callable[[ModelConfig], FeedForward]] = {
    "relu": lambda config: FeedForward(config, nn.ReLU()),
    "gelu": lambda config: FeedForward(config, nn.GELU()),
    "swiglu": GatedFeedForward,
}
