"""What training begins with: random weights, or those of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from forecaster.bundle import Bundle
from forecaster.config import ModelConfig
from forecaster.errors import TrainingError
from forecaster.manifest import StartFacts
from forecaster.model.network import Network
from forecaster.training.prefit import Prefit

# What may differ from the bundle's config, as no weight depends on it: always, in a fine-tuning, which may have been
# begun on other data, and in a network that is length-free.
_FREE_FIELDS = {"dropout"}
_TUNED_FIELDS = {"scaling"}
_LENGTHS = {"context_length", "horizon", "season_length", "lags"}

# What a fine-tuning keeps of the way that the weights have gone, where nobody says otherwise (docs/experiments.md).
TUNED_SHARE = 0.5


@dataclass(frozen=True)
class Start:
    """Where the weights begin; made by `scratch`, `warm_start` and `fine_tune`."""

    facts: StartFacts
    bundle: Bundle | None = None

    def check(self, model: ModelConfig) -> None:
        """Raises TrainingError where the bundle's network is not of this architecture, or has fewer blocks to train."""
        blocks = self.facts.trained_blocks
        if blocks is not None and blocks > model.num_layers:
            raise TrainingError(
                f"the last {blocks} blocks are to be trained, but the network has {model.num_layers}",
                code="invalid-start",
            )
        if self.bundle is None:
            return
        ours, theirs = _architecture(model), _architecture(self.bundle.config.model)
        free = _FREE_FIELDS | (_TUNED_FIELDS if self.facts.kind == "fine_tune" else set())
        free |= _LENGTHS if model.is_length_free and len(ours["lags"]) == len(theirs["lags"]) else set()
        differing = [name for name in ours if ours[name] != theirs[name] and name not in free]
        if differing:
            found = ", ".join(f"{name} {theirs[name]!r} (wanted: {ours[name]!r})" for name in differing)
            raise TrainingError(
                f"the bundle cannot be trained further, its network has another architecture: {found}",
                code="architecture-mismatch",
            )

    def begin(self, network: Network, member: int, prefit: Prefit) -> None:
        """Puts the first weights into the network of a member."""
        if self.bundle is None:
            prefit.begin(network)
        else:
            network.load_state_dict(self._weights(self.bundle, member))

    def keep_share(self, network: Network, member: int) -> None:
        """Takes trained weights back towards those that they began with, until `tuned_share` of the way is left.

        Weights between the two forecast better than either: what was seen before is not forgotten over the few
        windows that there are (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        """
        share = self.facts.tuned_share
        if self.bundle is None or share == 1:
            return
        begun = self._weights(self.bundle, member)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                weight.copy_(begun[name].lerp(weight, share))

    def _weights(self, bundle: Bundle, member: int) -> dict[str, torch.Tensor]:
        """Gives the weights that a member begins with; members take turns where a bundle has fewer."""
        networks = bundle.predictor.networks
        return dict(networks[member % len(networks)].state_dict())


def scratch() -> Start:
    """Begins with random weights."""
    return Start(StartFacts())


def _architecture(model: ModelConfig) -> dict[str, Any]:
    """Gives what weights depend on, and more; the zone whose clock the calendar goes by is left out."""
    return model.model_dump(exclude={"covariates": {"timezone"}})


def warm_start(bundle: Bundle) -> Start:
    """Begins with the weights of a bundle, and trains all of them under the full schedule."""
    return Start(StartFacts(kind="warm_start", bundle_digest=bundle.digest), bundle)


def fine_tune(
    bundle: Bundle,
    learning_rate_factor: float = 0.1,
    trained_blocks: int | None = None,
    *,
    tuned_share: float = TUNED_SHARE,
) -> Start:
    """Begins with the weights of a bundle, and trains at a lower rate, on request only the end of the network.

    `learning_rate_factor` (0 to 1) is taken of the config's rate. With `trained_blocks` only as many last blocks of
    the encoder are trained, and what follows them; with 0 only that. Of what training changes `tuned_share` (0 to 1)
    is kept. pydantic's ValidationError outside the ranges.
    """
    facts = StartFacts(
        kind="fine_tune",
        bundle_digest=bundle.digest,
        learning_rate_factor=learning_rate_factor,
        trained_blocks=trained_blocks,
        tuned_share=tuned_share,
    )
    return Start(facts, bundle)


def freeze(network: Network, facts: StartFacts) -> None:
    """Excludes from training the weights that come before the blocks to be trained."""
    if facts.trained_blocks is None:
        return
    network.tokens.requires_grad_(False)
    network.encoder.requires_grad_(False)
    network.encoder.norm.requires_grad_(True)
    first = len(network.encoder.blocks) - facts.trained_blocks
    for block in list(network.encoder.blocks)[first:]:
        block.requires_grad_(True)
