"""Small networks and contexts for the tests of the network."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.network import Network
from forecaster.types import WindowBatch

Module = TypeVar("Module", bound=nn.Module)

POSITION_KINDS = ("sinusoidal", "learned", "rotary", "none")


def small_config(**changes: Any) -> ModelConfig:
    settings: dict[str, Any] = {
        "horizon": 5,
        "context_length": 24,
        "patch_length": 4,
        "d_model": 16,
        "num_heads": 2,
        "num_layers": 2,
        "d_ff": 32,
        "dropout": 0.0,
        "levels": (0.1, 0.5, 0.9),
    }
    return ModelConfig(**settings | changes)


def awake_network(seed: int = 0, **changes: Any) -> Network:
    """Gives a network in eval mode whose every weight and bias matters, unlike in a fresh one."""
    torch.manual_seed(seed)
    return shaken(Network(small_config(**changes)).eval(), 0.2)


def shaken(module: Module, size: float) -> Module:
    """Gives the module with noise on each weight, so that none is still 0 or 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=size)
    return module


def random_context(num_rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """Gives random walks [B length] of different levels and sizes."""
    draw = torch.Generator().manual_seed(seed)
    steps = torch.randn(num_rows, length, generator=draw, dtype=torch.float64)
    return 50 + 3 * steps.cumsum(dim=1) + 10 * torch.arange(num_rows, dtype=torch.float64).unsqueeze(1)


def random_observed(num_rows: int, length: int, seed: int = 0, share: float = 0.8) -> torch.Tensor:
    """Gives a mask [B length] with gaps, where the last two steps of each row are observed."""
    observed = torch.rand(num_rows, length, generator=torch.Generator().manual_seed(seed)) < share
    observed[:, -2:] = True
    return observed


def random_batch(num_rows: int = 4, context_length: int = 24, horizon: int = 5, seed: int = 0) -> WindowBatch:
    """Gives consecutive windows with gaps in context and target."""
    values = random_context(num_rows, context_length + horizon, seed)
    observed = random_observed(num_rows, context_length + horizon, seed)
    cut = context_length
    return WindowBatch(values[:, :cut], observed[:, :cut], values[:, cut:], observed[:, cut:])
