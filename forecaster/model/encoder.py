"""The encoder: position-aware tokens pass through a stack of pre-norm Transformer blocks.

    tokens [B N D] -> + positions -> block -> block -> ... -> LayerNorm -> encodings [B N D]

Each block normalises before its two parts and not after (Xiong et al. 2020, "On Layer Normalization in the
Transformer Architecture"), which trains without a long warm-up.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.attention import MultiHeadAttention, Rotation, visibility
from forecaster.model.positions import POSITIONS


class FeedForward(nn.Module):
    """The same two-layer map for every token: D -> d_ff -> GELU -> D."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.inward = nn.Linear(config.d_model, config.d_ff)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(config.dropout)
        self.outward = nn.Linear(config.d_ff, config.d_model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]."""
        hidden = self.dropout(self.activation(self.inward(tokens)))
        thought: torch.Tensor = self.outward(hidden)
        return thought


class Block(nn.Module):
    """Tokens look at each other, then each thinks for itself; both add to what was there."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = MultiHeadAttention(config.d_model, config.num_heads, config.dropout)
        self.feed_forward_norm = nn.LayerNorm(config.d_model)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: torch.Tensor, visible: torch.Tensor, rotate: Rotation | None = None) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]; `visible` and `rotate` are those of `MultiHeadAttention`."""
        looked = tokens + self.dropout(self.attention(self.attention_norm(tokens), visible, rotate))
        thought: torch.Tensor = looked + self.dropout(self.feed_forward(self.feed_forward_norm(looked)))
        return thought

    def attention_map(self, tokens: torch.Tensor, visible: torch.Tensor, rotate: Rotation | None) -> torch.Tensor:
        """Gives the attention weights [B A N N] that `forward` uses for these tokens."""
        return self.attention.weights(self.attention_norm(tokens), visible, rotate)


class Encoder(nn.Module):
    """Positions, `num_layers` blocks and a last LayerNorm, for up to `num_patches` tokens."""

    def __init__(self, num_patches: int, config: ModelConfig) -> None:
        super().__init__()
        self.causal = config.causal
        self.positions = POSITIONS[config.positions](num_patches, config)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, tokens: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Gives encodings [B N D] of tokens [B N D]; those of tokens that are not real [B N] mean nothing."""
        visible = visibility(real, self.causal)
        tokens = self.dropout(self.positions.add(tokens))
        for block in self.blocks:
            tokens = block(tokens, visible, self.positions.rotate)
        encodings: torch.Tensor = self.norm(tokens)
        return encodings

    def attention_maps(self, tokens: torch.Tensor, real: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yields the attention weights [B A N N] of each block, first to last."""
        visible = visibility(real, self.causal)
        tokens = self.dropout(self.positions.add(tokens))
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block.attention_map(tokens, visible, self.positions.rotate)
            tokens = block(tokens, visible, self.positions.rotate)
