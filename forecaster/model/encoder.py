"""The encoder: position-aware tokens pass through a stack of Transformer blocks.

    tokens [B N D] -> + positions -> block -> block -> ... -> norm -> encodings [B N D]

A block has two parts, or three where series of a group see each other: tokens look along their own series, then
across the group at the same time, then each thinks for itself. Every part is added to what was there, and the sum
is normalised either before the part (pre-norm; Xiong et al. 2020, "On Layer Normalization in the Transformer
Architecture", trains without a long warm-up) or after it (post-norm, as in Vaswani et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.attention import MultiHeadAttention, View, visibility
from forecaster.model.dropout import Dropout
from forecaster.model.feed_forward import FEED_FORWARDS
from forecaster.model.positions import POSITIONS
from forecaster.model.tokens import Tokens

NORMS: dict[str, Callable[[int], nn.Module]] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


class Residual(nn.Module):
    """A part of a block: what it gives is added to the tokens, with a norm before the part or after the sum."""

    def __init__(self, part: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.part = part
        self.norm = NORMS[config.norm](config.d_model)
        self.norms_first = config.norm_placement == "pre"
        self.dropout = Dropout(config.dropout)

    def forward(self, tokens: torch.Tensor, *view: View) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]; `view` goes to the part, if it takes one."""
        if self.norms_first:
            summed: torch.Tensor = tokens + self.dropout(self.part(self.norm(tokens), *view))
            return summed
        normed: torch.Tensor = self.norm(tokens + self.dropout(self.part(tokens, *view)))
        return normed

    def input(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives what the part itself is shown of tokens [B N D]."""
        shown: torch.Tensor = self.norm(tokens) if self.norms_first else tokens
        return shown


class Block(nn.Module):
    """Tokens look at each other, then each thinks for itself; both add to what was there."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Residual(_attention(config), config)
        self.group_attention = Residual(_attention(config), config) if config.channels == "group" else None
        self.feed_forward = Residual(FEED_FORWARDS[config.feed_forward](config), config)

    def forward(self, tokens: torch.Tensor, view: View, group_view: View | None = None) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]; `group_view` says which rows see each other."""
        tokens = self.attention(tokens, view)
        if self.group_attention is not None:
            tokens = self.group_attention(tokens.transpose(0, 1), group_view).transpose(0, 1)
        thought: torch.Tensor = self.feed_forward(tokens)
        return thought

    def attention_map(self, tokens: torch.Tensor, view: View) -> torch.Tensor:
        """Gives the attention weights [B A N N] along the series that `forward` uses for these tokens."""
        attention = self.attention.part
        assert isinstance(attention, MultiHeadAttention)
        return attention.weights(self.attention.input(tokens), view)


class Encoder(nn.Module):
    """Positions, `num_layers` blocks and, after pre-norm blocks, a last norm."""

    def __init__(self, num_tokens: int, config: ModelConfig) -> None:
        super().__init__()
        self.causal, self.grouped = config.causal, config.channels == "group"
        self.positions = POSITIONS[config.positions](num_tokens, config)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = NORMS[config.norm](config.d_model) if config.norm_placement == "pre" else nn.Identity()

    def forward(self, tokens: Tokens, groups: torch.Tensor | None = None) -> torch.Tensor:
        """Gives encodings [B N D] of tokens; those of tokens that are not real mean nothing.

        Rows with equal `groups` [B] see each other if the network was made for that; by default each is alone.
        """
        flow, view = self._enter(tokens)
        group_view = self._group_view(tokens, groups)
        for block in self.blocks:
            flow = block(flow, view, group_view)
        encodings: torch.Tensor = self.norm(flow)
        return encodings

    def attention_maps(self, tokens: Tokens, groups: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """Yields the attention weights [B A N N] of each block, first to last."""
        flow, view = self._enter(tokens)
        group_view = self._group_view(tokens, groups)
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block.attention_map(flow, view)
            flow = block(flow, view, group_view)

    def _enter(self, tokens: Tokens) -> tuple[torch.Tensor, View]:
        ages = tokens.ages
        visible = visibility(tokens.real, ages if self.causal else None)
        view = View(visible, self.positions.rotation(ages))
        return self.dropout(self.positions.add(tokens.values, ages)), view

    def _group_view(self, tokens: Tokens, groups: torch.Tensor | None) -> View | None:
        """Gives who sees whom across rows; None where nobody would ask: it takes N x B x B bits."""
        return group_visibility(tokens.real, groups) if self.grouped else None


def group_visibility(real: torch.Tensor, groups: torch.Tensor | None) -> View:
    """Gives the view [N 1 B B] across rows: a token sees real [B N] ones of its own place in rows of its group [B]."""
    num_rows = real.shape[0]
    rows = torch.arange(num_rows, device=real.device) if groups is None else groups
    return View((rows[:, None] == rows[None, :])[None, None] & real.T[:, None, None, :])


def _attention(config: ModelConfig) -> MultiHeadAttention:
    return MultiHeadAttention(config.d_model, config.num_heads)
