"""The golden forecast: some contexts, and what the trainer's predictor said of them, replayed wherever it is loaded."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.errors import BundleError, GoldenError
from forecaster.model.inputs import (
    CALENDAR,
    CATEGORIES,
    CONTEXT,
    ELAPSED,
    GROUPS,
    KNOWN,
    OBSERVED,
    PAST,
    STATIC,
    NamedInputs,
    covariates_of,
    input_names,
)
from forecaster.predictor import Predictor

# Relative to the reach of each golden forecast: other CPUs sum in another order, a changed weight shows.
TOLERANCE = 1e-3

_SMALLEST_SPREAD = 1e-9
_SEED = 1
_OBSERVED_SHARE = 0.9

_QUANTILES = "quantiles"


def record_golden(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Gives contexts [G L], observed [G L], covariates and groups if the model reads any, and quantiles [G H Q]."""
    window = golden_window(predictor.network.config, predictor.network.context_length)
    return {**window, _QUANTILES: _answer(predictor, window).cpu().contiguous()}


def golden_window(config: ModelConfig, length: int) -> dict[str, torch.Tensor]:
    """Gives the golden inputs of networks of a config, by name: four contexts [G L], and what else is read."""
    context, observed = _contexts(length)
    window = {CONTEXT: context, OBSERVED: observed, **_covariates(config, *context.shape)}
    if config.channels == "group":
        window[GROUPS] = torch.arange(len(context)) // 2
    return window


def replay_golden(predictor: Predictor, golden: dict[str, torch.Tensor]) -> None:
    """Raises GoldenError unless the predictor gives, within TOLERANCE, what was recorded."""
    wanted = {*input_names(predictor.network.config), _QUANTILES}
    if set(golden) != wanted:
        raise BundleError(f"the golden forecast holds {sorted(golden)}, wanted {sorted(wanted)}")
    worst = golden_difference(predictor, golden)
    if not worst <= TOLERANCE:
        raise GoldenError(f"the golden forecast differs by {worst:.2e} of its reach, {TOLERANCE:.0e} is allowed")


def golden_difference(predictor: Predictor, golden: dict[str, torch.Tensor]) -> float:
    """Gives by how much the predictor's quantiles differ from those recorded, at most, in parts of their reach.

    That is the spread of the context, or how far the forecast gets from its mean where that is more: unbent by asinh it
    is far, and float32 has seven digits. GoldenError where they have another shape or are not finite.
    """
    context, observed, expected = golden[CONTEXT], golden[OBSERVED], golden[_QUANTILES]
    given = _answer(predictor, golden).cpu()
    if given.shape != expected.shape or not torch.isfinite(given).all():
        raise GoldenError("the golden forecast has another shape or is not finite")
    seen = [row[mask] for row, mask in zip(context, observed, strict=True)]
    spread = torch.stack([row.std(correction=0) for row in seen]).clamp(min=_SMALLEST_SPREAD)
    means = torch.stack([row.mean() for row in seen])[:, None, None]
    reach = torch.maximum((expected - means).abs().amax(dim=(1, 2)), spread)
    return float(((given - expected).abs().amax(dim=(1, 2)) / reach).max())


def _answer(predictor: Predictor, window: NamedInputs) -> torch.Tensor:
    here = {name: tensor.to(predictor.ensemble.device) for name, tensor in window.items()}
    return predictor.quantiles(here[CONTEXT], here[OBSERVED], predictor.levels, covariates_of(here), here.get(GROUPS))


def _contexts(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives contexts that exercise scaling, seasonality, gaps and short histories."""
    steps = torch.arange(length, dtype=torch.float64)
    wave = torch.sin(steps * (2 * torch.pi / 24))
    contexts = torch.stack([wave, 1e6 + 50 * wave + steps, (steps * 37 % 11) - 5, 3 + 0.01 * steps])
    observed = torch.ones_like(contexts, dtype=torch.bool)
    observed[1, ::5] = False
    observed[2, : length - max(2, length // 4)] = False
    return contexts * observed, observed


def _covariates(config: ModelConfig, num_windows: int, length: int) -> dict[str, torch.Tensor]:
    """Gives random covariates of the model, with gaps, always the same ones; nothing for a model without any."""
    wanted: CovariateConfig = config.covariates
    if config.reads_context_alone:
        return {}
    draw = np.random.default_rng(_SEED)  # not torch.Generator, which needs more of torch than the service imports
    whole = length + config.horizon
    found = {
        CALENDAR: 2 * _uniform(draw, num_windows, whole, len(wanted.calendar)) - 1,
        CATEGORIES: _numbers(wanted, num_windows),
    }
    shapes = {
        PAST: (num_windows, length, len(wanted.past)),
        KNOWN: (num_windows, whole, len(wanted.known)),
        STATIC: (num_windows, len(wanted.static)),
    }
    for kind, shape in shapes.items():
        observed = _uniform(draw, *shape) < _OBSERVED_SHARE
        found[f"{kind}.values"] = torch.from_numpy(draw.standard_normal(shape)) * observed
        found[f"{kind}.observed"] = observed
    if config.reads_elapsed:
        found[ELAPSED] = _elapsed(length, _uniform(draw, num_windows, whole))
    return found


def _uniform(draw: np.random.Generator, *shape: int) -> torch.Tensor:
    """Gives numbers from 0 to 1, float32."""
    return torch.from_numpy(draw.random(shape, dtype=np.float32))


def _elapsed(length: int, draws: torch.Tensor) -> torch.Tensor:
    """Gives the time from the end of each step to the cutoff [G L+H], for steps of length 0.5 to 1.5."""
    ends = (0.5 + draws).cumsum(dim=1)
    return ends[:, length - 1 : length] - ends


def _numbers(wanted: CovariateConfig, num_windows: int) -> torch.Tensor:
    """Gives category numbers [G F]: those of each vocabulary in turn, 0 for missing included."""
    sizes = [1 + len(texts) for texts in wanted.categories.values()]
    columns = [torch.arange(1, num_windows + 1) % size for size in sizes]
    return torch.stack(columns, dim=1) if columns else torch.empty(num_windows, 0, dtype=torch.int64)
