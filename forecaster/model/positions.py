"""Tells the encoder where a token stands: four kinds, one table of names.

Positions count from the right: the newest token has position 0, the one before it 1. A longer context or
padding on the left therefore changes nothing for the tokens that were there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from forecaster.config import ModelConfig

_BASE = 10_000.0  # slowest angular frequency is about 1 / _BASE; the value of both papers cited below


class Positions(Protocol):
    """The two places at which a position can enter: into the tokens, or into queries and keys."""

    def add(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives tokens [B N D] that know their position."""

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Gives queries or keys [B A N D/A] that know their position."""


def ages(num_patches: int) -> torch.Tensor:
    """Gives the positions [N] float32 of tokens in time order: N - 1, ..., 1, 0."""
    return torch.arange(num_patches - 1, -1, -1, dtype=torch.float32)


def angles(num_patches: int, width: int) -> torch.Tensor:
    """Gives position x frequency [N width/2]; frequency i is 10000^(-2i / width)."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32) / width
    return ages(num_patches).unsqueeze(1) * _BASE**-exponents


class NoPositions(nn.Module):
    """Leaves everything as it is: the encoder sees a set of tokens."""

    def add(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives the tokens [B N D] unchanged."""
        return tokens

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Gives the queries or keys [B A N D/A] unchanged."""
        return heads


class AddedPositions(nn.Module):
    """Adds row `position` of a table, fixed or learned, to each token."""

    table: torch.Tensor  # [N D], in time order like the tokens: the last row is position 0

    def add(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives tokens [B N D] plus the last N rows of the table."""
        return tokens + self.table[-tokens.shape[1] :]

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Gives the queries or keys [B A N D/A] unchanged."""
        return heads


class SinusoidalPositions(AddedPositions):
    """Fixed waves: sine in even columns, cosine in odd ones (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, num_patches: int, d_model: int) -> None:
        super().__init__()
        angle = angles(num_patches, d_model)
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        self.register_buffer("table", waves, persistent=False)


class LearnedPositions(AddedPositions):
    """One trained vector per position, begun small (std 0.02) so that at first the values speak louder."""

    def __init__(self, num_patches: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(num_patches, d_model).normal_(std=0.02))


class RotaryPositions(nn.Module):
    """Turns pairs of query and key coordinates by an angle that grows with position (RoFormer, Su et al. 2021).

    The product of a query and a key then depends on their positions only through the difference. The paper
    pairs neighbouring coordinates; here coordinate i is paired with i + width/2, which is the same up to
    the order of the columns of the projections before it.
    """

    cosine: torch.Tensor  # [N width/2]
    sine: torch.Tensor  # [N width/2]

    def __init__(self, num_patches: int, head_width: int) -> None:
        super().__init__()
        angle = angles(num_patches, head_width)
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def add(self, tokens: torch.Tensor) -> torch.Tensor:
        """Gives the tokens [B N D] unchanged."""
        return tokens

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Gives heads [B A N width] with each coordinate pair turned by its angle, in the dtype it came in."""
        cosine, sine = self.cosine[-heads.shape[2] :], self.sine[-heads.shape[2] :]
        first, second = heads.chunk(2, dim=-1)
        turned = torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
        return turned.to(heads.dtype)


POSITIONS: dict[str, Callable[[int, ModelConfig], Positions]] = {
    "sinusoidal": lambda num_patches, config: SinusoidalPositions(num_patches, config.d_model),
    "learned": lambda num_patches, config: LearnedPositions(num_patches, config.d_model),
    "rotary": lambda num_patches, config: RotaryPositions(num_patches, config.d_model // config.num_heads),
    "none": lambda num_patches, config: NoPositions(),  # noqa: ARG005
}
