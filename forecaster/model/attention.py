"""Multi-head self-attention, written out (Vaswani et al. 2017, section 3.2).

Shapes: B batch, N tokens, D width, A heads, E = D/A width per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Rotation = Callable[[torch.Tensor], torch.Tensor]

# Scores that a CPU computes at once. Their tensor is reused then, where the system would clear a larger one anew each
# time: a step of 256 windows with 16 heads and 63 tokens takes half as long (docs/experiments.md).
_SCORES_AT_ONCE = 1 << 21


class View:
    """Which tokens see which, and how their ages enter: the same for all blocks.

    `visible` is bool and broadcasts to [B A N N]: True where the query (row) may look at the key (column).
    `rotate` puts ages into queries and keys. `mask`, float32, is what is added to scores: 0 where the query may look,
    else the lowest number, which is finite. `sighted`, [B A N 1], says which queries see a key at all.
    """

    def __init__(self, visible: torch.Tensor, rotate: Rotation | None = None) -> None:
        hidden = ~visible
        self.visible, self.rotate = visible, rotate
        self.mask = torch.zeros_like(hidden, dtype=torch.float32).masked_fill(hidden, torch.finfo(torch.float32).min)
        self.sighted = visible.any(dim=-1, keepdim=True)


def visibility(real: torch.Tensor, ages: torch.Tensor | None = None) -> torch.Tensor:
    """Gives the mask [B 1 1 N], or with `ages` [N] or [B N] [B 1 N N], that lets tokens look at real [B N] ones only.

    With ages a token sees those that end no later than itself. A padded token may then see nothing at all.
    """
    visible = real[:, None, None, :]
    return visible if ages is None else visible & (ages.unsqueeze(-1) <= ages.unsqueeze(-2)).unsqueeze(-3)


def attention_weights(queries: torch.Tensor, keys: torch.Tensor, view: View) -> torch.Tensor:
    """Gives softmax(Q K^T / sqrt(E)) over the visible keys [B A N N], for queries and keys [B A N E].

    Each row sums to 1; the row of a query that sees no key is all 0.
    """
    return _softmax(_scores(queries, keys), view.mask) * view.sighted


def scaled_dot_product_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, view: View
) -> torch.Tensor:
    """Gives, for each query, the mean of values [B A N E] under its attention weights: [B A N E].

    A query that sees no key gets 0.
    """
    num_rows, num_heads, num_queries, _ = queries.shape
    at_once = max(1, _SCORES_AT_ONCE // (num_heads * num_queries * keys.shape[2]))
    plans_memory_itself = queries.device.type != "cpu" or torch.compiler.is_compiling()
    if plans_memory_itself or num_rows <= at_once:
        return _mixed(queries, keys, values, view)
    visible = view.visible.expand(num_rows, -1, -1, -1)
    turns = [slice(begin, begin + at_once) for begin in range(0, num_rows, at_once)]
    return torch.cat([_mixed(queries[turn], keys[turn], values[turn], View(visible[turn])) for turn in turns])


def _mixed(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, view: View) -> torch.Tensor:
    scores, mask = _scores(queries, keys), view.mask
    is_half = scores.dtype in (torch.bfloat16, torch.float16)
    weights = _RoundedSoftmax.apply(scores, mask) if is_half else _softmax(scores, mask)  # type: ignore[no-untyped-call]
    mixed: torch.Tensor = weights.to(values.dtype) @ values
    return mixed * view.sighted.to(mixed.dtype)


def _scores(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Gives Q K^T / sqrt(E) [B A N N].

    There are N x N of them for each head: what passes over them is most of the time of an encoder with many tokens, and
    what is kept of them most of its memory. So the root is taken off the queries, and the mask is added in place.
    """
    return (queries / math.sqrt(queries.shape[-1])) @ keys.transpose(-2, -1)


def _softmax(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Gives the attention weights [B A N N], those of a query that sees no key spread evenly.

    In float32 at least, so that it stays exact when products run in bfloat16.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    scores += mask
    return scores.softmax(dim=-1)


class _RoundedSoftmax(torch.autograd.Function):
    """Attention weights in the format of their scores, of which alone the way back is computed.

    Autograd would keep those in float32 beside them, for three times the memory.
    """

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weights = _softmax(scores, mask).to(scores.dtype)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weights,) = ctx.saved_tensors
        return torch.ops.aten._softmax_backward_data(gradient, weights, -1, weights.dtype), None


class MultiHeadAttention(nn.Module):
    """A heads of self-attention between two linear maps: D -> queries, keys, values, and A heads -> D."""

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        assert d_model % num_heads == 0, "checked by ModelConfig"
        self.num_heads = num_heads
        self.inward = nn.Linear(d_model, 3 * d_model)
        self.outward = nn.Linear(d_model, d_model)

    def forward(self, tokens: torch.Tensor, view: View) -> torch.Tensor:
        """Gives [B N D] for tokens [B N D]."""
        queries, keys, values = self._heads(tokens, view)
        mixed = scaled_dot_product_attention(queries, keys, values, view)
        joined: torch.Tensor = self.outward(mixed.transpose(1, 2).flatten(2))
        return joined

    def weights(self, tokens: torch.Tensor, view: View) -> torch.Tensor:
        """Gives the weights [B A N N] that `forward` uses."""
        queries, keys, _ = self._heads(tokens, view)
        return attention_weights(queries, keys, view)

    def _heads(self, tokens: torch.Tensor, view: View) -> list[torch.Tensor]:
        """Gives queries, keys and values, each [B A N E]."""
        joint = self.inward(tokens).unflatten(-1, (3, self.num_heads, -1))  # [B N 3 A E]
        looking, values = joint.permute(2, 0, 3, 1, 4).contiguous().split([2, 1])
        queries, keys = looking if view.rotate is None else view.rotate(looking)
        return [queries, keys, values[0]]
