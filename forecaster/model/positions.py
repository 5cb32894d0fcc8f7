"""Tells the encoder where a token stands: five kinds, one table of names.

The age of a token is how long before the cutoff it ends, counted in patches: the newest patch of the context
has age 0, the one before it 1, the first patch of the future -1. A longer context or padding on the left
therefore changes nothing for the tokens that were there.

Ages [N] count steps and are those of every window. Ages [B N] are the time that has passed, in patches of steps of
mean length, which differs from window to window where steps do not last equally long. Kind `time` is kind `rotary`
with ages of time: with P = 1 the end of February 2023 lies 31 / 30.44 = 1.018 before a cutoff at the end of March,
and 1 by steps. Where all steps last equally long both kinds give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.attention import Rotation

_BASE = 10_000.0  # slowest angular frequency is about 1 / _BASE; the value of both papers cited below


class Positions(Protocol):
    """The two places at which a position can enter: the tokens, or queries and keys."""

    def add(self, tokens: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
        """Gives tokens [B N D] that know their age [N] or [B N]."""

    def rotation(self, ages: torch.Tensor) -> Rotation | None:
        """Gives what turns queries or keys [B A N D/A] by the ages of their tokens, if anything does."""


def angles(ages: torch.Tensor, width: int) -> torch.Tensor:
    """Gives age x frequency [... N width/2] of ages [... N]; frequency i is 10000^(-2i / width)."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=ages.device) / width
    return ages.unsqueeze(-1) * _BASE**-exponents


class NoPositions(nn.Module):
    """Leaves everything as it is: the encoder sees a set of tokens. The other kinds change one of the two places."""

    def add(self, tokens: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
        """Gives the tokens [B N D] unchanged."""
        return tokens

    def rotation(self, ages: torch.Tensor) -> Rotation | None:
        """Gives none."""
        return None


class SinusoidalPositions(NoPositions):
    """Adds fixed waves: sine in even columns, cosine in odd ones (Vaswani et al. 2017, section 3.5)."""

    def add(self, tokens: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
        """Gives tokens [B N D] plus the waves of their ages."""
        angle = angles(ages, tokens.shape[-1])
        return tokens + torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


class LearnedPositions(NoPositions):
    """Adds one trained vector per token, begun small (std 0.02) so that at first the values speak louder."""

    def __init__(self, num_tokens: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(num_tokens, d_model).normal_(std=0.02))

    def add(self, tokens: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
        """Gives tokens [B N D] plus the table, which is in their order."""
        return tokens + self.table


class RotaryPositions(NoPositions):
    """Turns pairs of query and key coordinates by an angle that grows with age (RoFormer, Su et al. 2021).

    The product of a query and a key then depends on their ages only through the difference. The paper
    pairs neighbouring coordinates; here coordinate i is paired with i + width/2, which is the same up to
    the order of the columns of the projections before it.
    """

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width

    def rotation(self, ages: torch.Tensor) -> Rotation | None:
        """Gives a function that turns heads [... B A N width], in the dtype they come in."""
        angle = angles(ages, self.head_width).unsqueeze(-3)  # [1 N width/2], or [B 1 N width/2]: for all heads
        cosines, sines = angle.cos(), angle.sin()
        cosine, sine = torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)

        def turn(heads: torch.Tensor) -> torch.Tensor:
            partners = heads.roll(heads.shape[-1] // 2, dims=-1)
            return (heads * cosine + partners * sine).to(heads.dtype)

        return turn


POSITIONS: dict[str, Callable[[int, ModelConfig], Positions]] = {
    "sinusoidal": lambda num_tokens, config: SinusoidalPositions(),  # noqa: ARG005
    "learned": lambda num_tokens, config: LearnedPositions(num_tokens, config.d_model),
    "rotary": lambda num_tokens, config: RotaryPositions(config.d_model // config.num_heads),  # noqa: ARG005
    "time": lambda num_tokens, config: RotaryPositions(config.d_model // config.num_heads),  # noqa: ARG005
    "none": lambda num_tokens, config: NoPositions(),  # noqa: ARG005
}
