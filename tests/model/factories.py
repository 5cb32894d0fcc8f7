"""Small networks of every kind, and windows with gaps for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch
from torch import nn

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.model.network import Network
from forecaster.model.scaling import unscale
from forecaster.model.skips.linear import LinearSkip
from forecaster.types import CovariateBatch, Masked, WindowBatch

Module = TypeVar("Module", bound=nn.Module)

LEVELS = (0.1, 0.3, 0.5, 0.9)
POSITION_KINDS = ("sinusoidal", "learned", "rotary", "time", "none")

COVARIATES = CovariateConfig(
    past=("wind", "rain"),
    known=("price",),
    calendar=("hour", "weekday"),
    static=("size", "height"),
    categories={"kind": ("a", "b", "c"), "place": ("d",)},
)

LAGS = (1, 3, 27, 0)  # shorter than the horizon, longer than the context, and none

_BENT = {"scaling": "asinh", "skip": "ridge", "coarse_patch_length": 8, "covariates": COVARIATES}
_MODERN = {
    "norm": "rms",
    "feed_forward": "swiglu",
    "positions": "sinusoidal",
    "decoder": "queries",
    "channels": "group",
}

# One change each, then a few that meet.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rms norm": {"norm": "rms"},
    "post norm": {"norm_placement": "post"},
    "relu": {"feed_forward": "relu"},
    "swiglu": {"feed_forward": "swiglu"},
    **{f"{kind} positions": {"positions": kind} for kind in POSITION_KINDS},
    "causal": {"causal": True},
    "robust": {"scaling": "robust"},
    "asinh": {"scaling": "asinh"},
    "log": {"scaling": "log"},
    "unscaled": {"scaling": "off"},
    "queries": {"decoder": "queries"},
    "group": {"channels": "group"},
    "lags": {"lags": LAGS},
    "lags and queries": {"lags": LAGS, "decoder": "queries", "skip": "none"},
    "coarse": {"coarse_patch_length": 8},
    "overlapping": {"patch_stride": 2},
    "linear skip": {"skip": "ridge"},
    "theta": {"skip": "theta", "season_length": 4},
    "covariates": {"covariates": COVARIATES},
    "covariates and queries": {"covariates": COVARIATES, "decoder": "queries"},
    "student_t": {"head": "student_t", "skip": "ridge"},
    "gaussian": {"head": "gaussian", "skip": "ridge"},
    "old": {"norm_placement": "post", "feed_forward": "relu", "positions": "sinusoidal", "causal": True, **_BENT},
    "modern": {**_MODERN, **_BENT, "patch_stride": 1},
    "time and covariates": {"positions": "time", "causal": True, "decoder": "queries", **_BENT},
    "learned and robust": {"positions": "learned", "scaling": "robust", "coarse_patch_length": 12, "patch_stride": 2},
}

# Each choice of `VARIANTS` is in one of these, most of them in the first three: for what takes seconds of each.
COVERING: dict[str, dict[str, Any]] = {
    **{name: VARIANTS[name] for name in ("old", "modern", "time and covariates", "plain", "learned and robust")},
    "rotary and log": {"positions": "rotary", "scaling": "log", "causal": True},
    "no positions, unscaled": {"positions": "none", "scaling": "off", "channels": "group", "skip": "theta"}
    | {"season_length": 4},
    "lags and queries": VARIANTS["lags and queries"],
    "student_t": VARIANTS["student_t"],
    "gaussian": VARIANTS["gaussian"] | {"decoder": "queries"},
}

EACH_VARIANT = pytest.mark.parametrize("variant", VARIANTS)
EACH_SCALED_VARIANT = pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "unscaled"])
# A logarithm follows a stretch of its values, and no shift.
EACH_SHIFTED_VARIANT = pytest.mark.parametrize(
    "variant", [name for name in VARIANTS if name not in ("unscaled", "log")]
)
EACH_HEAD = pytest.mark.parametrize("head", ["quantile", "student_t", "gaussian"])
EACH_POSITION = pytest.mark.parametrize("positions", POSITION_KINDS)


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
    network = shaken(Network(small_config(**changes)).eval(), 0.2)
    if isinstance(network.skip, LinearSkip):
        network.skip.start_at(0.2 * torch.randn(network.skip.weight.shape))
    return network


def shaken(module: Module, size: float) -> Module:
    """Gives the module with noise on each weight, so that none is still 0 or 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=size)
    return module


def forecast(network: Network, batch: WindowBatch, levels: Sequence[float] = LEVELS) -> torch.Tensor:
    """Gives quantiles [B H Q] of a batch."""
    with torch.no_grad():
        output = network(batch.context, batch.observed, batch.covariates, batch.groups)
        return unscale(network.head.quantiles(output.parameters, levels, output.scale), output.scale)


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
    """Gives windows with gaps in context and target."""
    values = random_context(num_rows, context_length + horizon, seed)
    observed = random_observed(num_rows, context_length + horizon, seed)
    cut = context_length
    return WindowBatch(values[:, :cut], observed[:, :cut], values[:, cut:], observed[:, cut:])


def batch_for(network: Network, num_rows: int = 4, seed: int = 0) -> WindowBatch:
    """Gives windows with gaps, with covariates and elapsed time for a network that reads them."""
    batch, config = random_batch(num_rows, seed=seed), network.config
    if config.reads_context_alone:
        return batch
    covariates = no_covariates(num_rows) if config.covariates.is_empty else random_covariates(num_rows, seed=seed)
    elapsed = random_elapsed(num_rows, seed=seed) if config.reads_elapsed else None
    return replace(batch, covariates=replace(covariates, elapsed=elapsed))


def random_elapsed(num_rows: int, context_length: int = 24, horizon: int = 5, seed: int = 0) -> torch.Tensor:
    """Gives the elapsed time [B L+H] of steps that last 0.5 to 1.5."""
    draws = torch.rand(num_rows, context_length + horizon, generator=torch.Generator().manual_seed(seed))
    ends = (0.5 + draws).cumsum(dim=1)
    return ends[:, context_length - 1 : context_length] - ends


def equal_steps(num_rows: int, context_length: int = 24, horizon: int = 5) -> torch.Tensor:
    """Gives the elapsed time [B L+H] of steps that last equally long."""
    return torch.arange(context_length - 1, -horizon - 1, -1, dtype=torch.float32).repeat(num_rows, 1)


def no_covariates(num_rows: int, context_length: int = 24, horizon: int = 5) -> CovariateBatch:
    """Gives covariates without any column."""

    def nothing(*shape: int) -> Masked:
        return Masked(torch.zeros(num_rows, *shape, 0).double(), torch.zeros(num_rows, *shape, 0).bool())

    calendar = torch.zeros(num_rows, context_length + horizon, 0)
    categories = torch.zeros(num_rows, 0, dtype=torch.int64)
    return CovariateBatch(nothing(context_length), nothing(context_length + horizon), calendar, nothing(), categories)


def random_covariates(num_rows: int, context_length: int = 24, horizon: int = 5, seed: int = 0) -> CovariateBatch:
    """Gives numbers with gaps for COVARIATES."""
    draw = torch.Generator().manual_seed(seed)

    def masked(*shape: int) -> Masked:
        observed = torch.rand(num_rows, *shape, generator=draw) < 0.8
        values = 7 + 5 * torch.randn(num_rows, *shape, generator=draw, dtype=torch.float64)
        return Masked(torch.where(observed, values, 0.0), observed)

    return CovariateBatch(
        past=masked(context_length, 2),
        known=masked(context_length + horizon, 1),
        calendar=2 * torch.rand(num_rows, context_length + horizon, 2, generator=draw) - 1,
        static=masked(2),
        categories=torch.stack([torch.arange(num_rows) % 4, torch.arange(num_rows) % 2], dim=1),
    )


def batch_of(context: torch.Tensor, observed: torch.Tensor | None = None) -> WindowBatch:
    """Gives windows without target and covariates; everything is observed unless told otherwise."""
    if observed is None:
        observed = torch.ones_like(context, dtype=torch.bool)
    return WindowBatch(context, observed, context[:, :0], observed[:, :0])


def rows_of(batch: WindowBatch, rows: Sequence[int]) -> WindowBatch:
    """Gives some windows of a batch, in that order."""
    return batch.rows(torch.as_tensor(rows))


def soiled(batch: WindowBatch, garbage: float) -> WindowBatch:
    """Gives the batch with garbage wherever nothing is observed."""

    def dirty(numbers: Masked) -> Masked:
        return Masked(torch.where(numbers.observed, numbers.values, garbage), numbers.observed)

    context = torch.where(batch.observed, batch.context, garbage)
    target = torch.where(batch.target_observed, batch.target, garbage)
    covariates = batch.covariates
    if covariates is not None:
        past, known, static = map(dirty, (covariates.past, covariates.known, covariates.static))
        covariates = replace(covariates, past=past, known=known, static=static)
    return replace(batch, context=context, target=target, covariates=covariates)
