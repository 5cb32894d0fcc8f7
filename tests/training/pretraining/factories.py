"""Pretrainings that take a second."""

from __future__ import annotations

from typing import Any

import torch

from forecaster.config import ModelConfig
from forecaster.config.pretraining import PretrainingConfig
from forecaster.model.network import Network
from forecaster.training.pretraining.windows import SyntheticPart

_MODEL: dict[str, Any] = {
    "horizon": 16,
    "context_length": 64,
    "patch_length": 16,
    "season_length": 1,
    "d_model": 8,
    "num_heads": 2,
    "num_layers": 1,
    "d_ff": 16,
    "dropout": 0.0,
    "decoder": "queries",
    "skip": "none",
    "lags": (1, 1, 2, 3, 4, 0),
}

_PRETRAINING: dict[str, Any] = {
    "max_steps": 7,
    "num_orders": 2,
    "windows_per_order": 8,
    "steps_per_block": 3,
    "steps_per_validation": 2,
    "warmup_steps": 2,
    "precision": "float32",
    "num_threads": 1,
}


def small_config(model: dict[str, Any] | None = None, **changes: Any) -> PretrainingConfig:
    """Gives settings of a small network; those of the network itself are changed by `model`."""
    return PretrainingConfig(model=ModelConfig(**_MODEL | (model or {})), **_PRETRAINING | changes)


def same_weights(first: Network, second: Network) -> bool:
    """True where two networks have equal weights."""
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


def same_parts(first: list[SyntheticPart], second: list[SyntheticPart]) -> bool:
    """True where two steps have the same windows, to the last bit."""
    return len(first) == len(second) and all(
        one.cycles == other.cycles and all(map(torch.equal, one.tensors, other.tensors))
        for one, other in zip(first, second, strict=True)
    )
