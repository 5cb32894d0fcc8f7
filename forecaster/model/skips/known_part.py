"""The part of a ridge regression that reads known covariates: each step of the horizon its own numbers.

    step h    forecast = context [L] . w_h  +  numbers of step h [F] . v_h

The numbers of a step are its known covariates and those one season earlier, so that a weight of either sign tells
what a change from the last season does. Electricity prices are forecast so (LEAR: Lago et al. 2021, "Forecasting
day-ahead electricity prices"). All numbers of all steps in one regression would need memory for H F squared; here each
step has its own, and the context that all of them share is solved once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from forecaster.model.scaling import scale_covariate
from forecaster.types import Masked

# How strongly the weights of each step are drawn to those that all steps share: hardly, somewhat, wholly.
POOLINGS = (0.02, 0.3, 1e8)


def num_known_numbers(num_columns: int, context_length: int, season_length: int | None) -> int:
    """Gives the numbers known of a step (F): each column, and once more a season earlier where the window holds it."""
    return num_columns * (2 if _reaches_back(context_length, season_length) else 1)


def known_numbers(known: Masked, context_length: int, season_length: int | None) -> torch.Tensor:
    """Gives the numbers [B H F] float32 of each step ahead, of known covariates [B L+H F'], 0 where missing.

    Each column is scaled within its window (`scale_covariate`).
    """
    values = scale_covariate(known).values
    ahead = values[:, context_length:]
    if season_length is None or not _reaches_back(context_length, season_length):
        return ahead
    earlier = values[:, context_length - season_length : values.shape[1] - season_length]
    return torch.cat([ahead, earlier], dim=-1)


@dataclass
class KnownMoments:
    """The sums over windows that concern the known numbers z of each step."""

    crossed: torch.Tensor  # [L H F] x'z
    inputs: torch.Tensor  # [H F F] z'z
    joint: torch.Tensor  # [H F] z'y

    @classmethod
    def empty(cls, context_length: int, horizon: int, num_known: int) -> KnownMoments:
        """Gives the sums over no window."""
        shapes = (context_length, horizon, num_known), (horizon, num_known, num_known), (horizon, num_known)
        return cls(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    def add(self, values: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> None:
        """Adds windows: context [B L], target [B H] and known numbers [B H F], all float64."""
        self.crossed += (values.T @ known.flatten(1)).reshape(self.crossed.shape)
        steps = known.transpose(0, 1)  # [H B F]
        self.inputs += steps.transpose(1, 2) @ steps
        self.joint += torch.einsum("bhf,bh->hf", known, target)

    def include(self, other: KnownMoments) -> None:
        """Adds the sums over other windows."""
        self.crossed += other.crossed
        self.inputs += other.inputs
        self.joint += other.joint

    def errors(self, context_weight: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Gives what weights [F H] add to the summed squared error [H] of a forecast by context weights [L H]."""
        crossed = torch.einsum("lh,lhf->hf", context_weight, self.crossed)
        own = torch.einsum("hfg,gh->hf", self.inputs, weight)
        return (weight.T * (own + 2 * (crossed - self.joint))).sum(dim=1)

    def around(self, anchor: torch.Tensor, basis: torch.Tensor, num_windows: float) -> KnownMoments:
        """Gives the means for the target's deviation from an anchor [L 1], the context seen in a basis [L L]."""
        crossed = (basis.T @ self.crossed.flatten(1)).reshape(self.crossed.shape)
        joint = self.joint - torch.einsum("lhf,l->hf", self.crossed, anchor.squeeze(1))
        return KnownMoments(crossed / num_windows, self.inputs / num_windows, joint / num_windows)


@dataclass(frozen=True)
class Partial:
    """A regression on context and known numbers, the context in the basis where its numbers are uncorrelated."""

    spectrum: torch.Tensor  # [L] mean squares of the context
    joint: torch.Tensor  # [L H] context times target
    known: KnownMoments  # means, in that basis

    def solutions(self, penalty: float) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields the weights of the context [L H] and of z [H F] for one lambda and each of POOLINGS.

        What z tells beyond the context (the normal equations with the context eliminated, Frisch and Waugh 1933) is
        solved for all steps together under lambda, then for each step with its weights drawn to those.
        """
        shrunk = 1 / (self.spectrum.clamp(min=0) + penalty)
        weighted = self.known.crossed * shrunk[:, None, None]
        left = self.known.inputs - torch.einsum("lhf,lhg->hfg", self.known.crossed, weighted)
        right = self.known.joint - torch.einsum("lhf,lh->hf", weighted, self.joint)
        unit = torch.eye(left.shape[-1], dtype=torch.float64)
        common = torch.linalg.solve(left.mean(dim=0) + penalty * unit, right.mean(dim=0))
        for pooling in POOLINGS:
            weight = torch.linalg.solve(left + pooling * unit, right + pooling * common)
            yield self.joint * shrunk[:, None] - torch.einsum("lhf,hf->lh", weighted, weight), weight


def _reaches_back(context_length: int, season_length: int | None) -> bool:
    return season_length is not None and season_length <= context_length
