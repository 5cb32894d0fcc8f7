"""A linear forecast beside the encoder, fitted as a ridge regression (`ridge.py`).

One map for all series, from the scaled context, and from what is known of each step ahead, to the location of the
forecast. On several classic benchmarks such a map alone is ahead of most published encoders, so the encoder learns
what it leaves.
"""

from __future__ import annotations

import torch
from torch import nn

from forecaster.model.skips.known_part import known_numbers, num_known_numbers
from forecaster.types import CovariateBatch


class LinearSkip(nn.Module):
    """L scaled values, and F numbers known of each step -> H locations. Missing values count as 0, the context's mean.

    Its weights are fitted in closed form and left alone by training: a step of Adam at the rate of the encoder
    undoes a ridge regression (docs/experiments.md).
    """

    weight: torch.Tensor  # [L+F H] float64, those of the context first

    def __init__(
        self, context_length: int, horizon: int, num_known_columns: int = 0, season_length: int | None = None
    ) -> None:
        super().__init__()
        self.context_length, self.season_length = context_length, season_length
        self.num_known = num_known_numbers(num_known_columns, context_length, season_length)
        self.register_buffer("weight", torch.zeros(context_length + self.num_known, horizon, dtype=torch.float64))
        self.register_load_state_dict_pre_hook(_completed)  # type: ignore[no-untyped-call]

    def forward(
        self, values: torch.Tensor, observed: torch.Tensor, covariates: CovariateBatch | None = None
    ) -> torch.Tensor:
        """Gives locations [B H] for scaled values [B L], 0 where missing. In float64, which autocast leaves alone."""
        return self.located(values.to(torch.float64), self.known(covariates)).to(values.dtype)

    def located(self, values: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        """Gives locations [B H] for values [B L] and numbers known of each step [B H F], all float64."""
        if known is None:
            return values @ self.weight
        context, ahead = self.weight[: self.context_length], self.weight[self.context_length :]
        return values @ context + (known * ahead.T).sum(dim=-1)

    def known(self, covariates: CovariateBatch | None) -> torch.Tensor | None:
        """Gives the numbers [B H F] float64 that it reads of each step ahead; None where it reads none."""
        if not self.num_known:
            return None
        assert covariates is not None  # the tokens of the network have refused such a window
        return known_numbers(covariates.known, self.context_length, self.season_length).to(torch.float64)

    def start_at(self, weight: torch.Tensor) -> None:
        """Takes over weights [L+F H]."""
        self.weight.copy_(weight)


def _completed(skip: nn.Module, weights: dict[str, torch.Tensor], prefix: str, *_: object) -> None:
    """Completes the weights [L H] of a model fitted before the skip read known covariates: theirs are 0."""
    assert isinstance(skip, LinearSkip)
    given = weights.get(f"{prefix}weight")
    if given is not None and skip.num_known and len(given) == skip.context_length:
        none = given.new_zeros(skip.num_known, given.shape[1])
        weights[f"{prefix}weight"] = torch.cat([given, none])
