"""Multi-head self-attention, written out (Vaswani et al. 2017, section 3.2).

Shapes: B batch, N tokens, D width, A heads, E = D/A width per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from forecaster.model.dropout import Dropout

Rotation = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class View:
    """Which tokens see which, and how their distance enters."""

    visible: torch.Tensor  # bool, broadcasts to [B A N N]: True where the query (row) may look at the key (column)
    rotate: Rotation | None = None  # puts ages into queries and keys
    bias: torch.Tensor | None = None  # [A N N] or [B A N N], added to the scores


def visibility(real: torch.Tensor, ages: torch.Tensor | None = None) -> torch.Tensor:
    """Gives the mask [B 1 1 N], or with `ages` [N] or [B N] [B 1 N N], that lets tokens look at real [B N] ones only.

    With ages a token sees those that end no later than itself. A padded token may then see nothing at all.
    """
    visible = real[:, None, None, :]
    return visible if ages is None else visible & (ages.unsqueeze(-1) <= ages.unsqueeze(-2)).unsqueeze(-3)


def attention_weights(queries: torch.Tensor, keys: torch.Tensor, view: View) -> torch.Tensor:
    """Gives softmax(Q K^T / sqrt(E) + bias) over the visible keys [B A N N], for queries and keys [B A N E].

    Each row sums to 1; the row of a query that sees no key is all 0. The softmax is taken in float32 at
    least, so that it stays exact when products run in bfloat16.
    """
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if view.bias is not None:
        scores = scores + view.bias
    hidden = ~view.visible
    return scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=-1).masked_fill(hidden, 0.0)


def scaled_dot_product_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    view: View,
    dropout: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Gives, for each query, the mean of values [B A N E] under its attention weights: [B A N E].

    `dropout` is applied to the weights. A query that sees no key gets 0.
    """
    weights = attention_weights(queries, keys, view).to(values.dtype)
    return (weights if dropout is None else dropout(weights)) @ values


class MultiHeadAttention(nn.Module):
    """A heads of self-attention between two linear maps: D -> queries, keys, values, and A heads -> D."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        assert d_model % num_heads == 0, "checked by ModelConfig"
        self.num_heads = num_heads
        self.inward = nn.Linear(d_model, 3 * d_model)
        self.outward = nn.Linear(d_model, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: torch.Tensor, view: View) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]."""
        queries, keys, values = self._heads(tokens, view)
        mixed = scaled_dot_product_attention(queries, keys, values, view, self.dropout)
        joined: torch.Tensor = self.outward(mixed.transpose(1, 2).flatten(2))
        return joined

    def weights(self, tokens: torch.Tensor, view: View) -> torch.Tensor:
        """Gives the weights [B A N N] that `forward` uses, before dropout."""
        queries, keys, _ = self._heads(tokens, view)
        return attention_weights(queries, keys, view)

    def _heads(self, tokens: torch.Tensor, view: View) -> list[torch.Tensor]:
        """Gives queries, keys and values, each [B A N E]."""
        joint = self.inward(tokens).unflatten(-1, (3, self.num_heads, -1))  # [B N 3 A E]
        queries, keys, values = joint.permute(2, 0, 3, 1, 4)
        return [queries, keys, values] if view.rotate is None else [view.rotate(queries), view.rotate(keys), values]
