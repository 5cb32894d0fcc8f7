"""Several networks of one config that answer as one: at each level with the mean of their quantiles.

The mean of quantiles keeps their order and the width of the members' distributions (Vincent 1912); a mixture of the
distributions would be wider by what the members disagree. It is taken in scaled space, which all members share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from forecaster.config import ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.heads import Head
from forecaster.model.network import Network
from forecaster.types import CovariateBatch, Scale


@dataclass(frozen=True)
class EnsembleOutput:
    """What one forward pass of all members gives: each one's parameters in scaled space, and the way back."""

    parameters: tuple[torch.Tensor, ...]  # [B H K] of each member
    scale: Scale
    head: Head

    def quantiles(self, levels: Sequence[float]) -> torch.Tensor:
        """Gives the scaled quantiles [B H Q] at ascending levels; those of a single network are exactly its own."""
        members = [self.head.quantiles(parameters, levels, self.scale) for parameters in self.parameters]
        return members[0] if len(members) == 1 else torch.stack(members).mean(dim=0)


class Executor(Protocol):
    """Whatever computes what an ensemble says: torch itself, or another runtime in its place."""

    @property
    def networks(self) -> tuple[Network, ...]:
        """The members."""

    @property
    def device(self) -> torch.device:
        """Where inputs are wanted."""

    def __call__(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> EnsembleOutput:
        """Gives what all members say of context [B L], observed [B L] and what else is known of these windows."""

    def own_quantiles(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """Gives what is made of that for the config's levels [B H Q], calibrated, in the unit of the data.

        None where it is left to the predictor.
        """


class Ensemble:
    """One network or several; ConfigError for none, or where their configs differ."""

    def __init__(self, networks: Network | Sequence[Network]) -> None:
        self.networks = (networks,) if isinstance(networks, Network) else tuple(networks)
        if not self.networks:
            raise ConfigError("an ensemble needs one network or more, got none")
        configs = [network.config for network in self.networks]
        if any(config != configs[0] for config in configs):
            raise ConfigError(f"the {len(configs)} networks of an ensemble must have one config, theirs differ")
        for network in self.networks:
            network.eval()

    @property
    def config(self) -> ModelConfig:
        """The config that all members share."""
        return self.networks[0].config

    @property
    def device(self) -> torch.device:
        """Where the members compute."""
        return next(self.networks[0].parameters()).device

    def __call__(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> EnsembleOutput:
        """Gives what all members say of context [B L], observed [B L] and what else is known of these windows."""
        outputs = [network(context, observed, covariates, groups) for network in self.networks]
        return EnsembleOutput(tuple(output.parameters for output in outputs), outputs[0].scale, self.networks[0].head)

    def own_quantiles(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """None: the predictor makes them of what the members say."""
        return None
