"""The golden forecast: some contexts, and what the trainer's predictor said of them, replayed wherever it is loaded."""

from __future__ import annotations

import torch

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.errors import BundleError, GoldenError
from forecaster.predictor import Predictor
from forecaster.types import CovariateBatch, Masked

# Relative to the spread of each golden context: other CPUs sum in another order, a changed weight shows.
TOLERANCE = 1e-3

_SMALLEST_SPREAD = 1e-9
_SEED = 1
_OBSERVED_SHARE = 0.9

_PAST, _KNOWN, _STATIC, _ELAPSED = "past", "known", "static", "elapsed"


def record_golden(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Gives contexts [G L], observed [G L], covariates and groups if the model reads any, and quantiles [G H Q]."""
    config = predictor.network.config
    context, observed = _contexts(predictor.network.context_length)
    window = {"context": context, "observed": observed, **_covariates(config, *context.shape)}
    if config.channels == "group":
        window["groups"] = torch.arange(len(context)) // 2
    return {**window, "quantiles": _answer(predictor, window).cpu().contiguous()}


def replay_golden(predictor: Predictor, golden: dict[str, torch.Tensor]) -> None:
    """Raises GoldenError unless the predictor gives, within TOLERANCE, what was recorded."""
    wanted = _names(predictor.network.config)
    if set(golden) != wanted:
        raise BundleError(f"the golden forecast holds {sorted(golden)}, wanted {sorted(wanted)}")
    context, observed, expected = golden["context"], golden["observed"], golden["quantiles"]
    given = _answer(predictor, golden).cpu()
    if given.shape != expected.shape or not torch.isfinite(given).all():
        raise GoldenError("the golden forecast has another shape or is not finite")
    spreads = [row[mask].std(correction=0) for row, mask in zip(context, observed, strict=True)]
    spread = torch.stack(spreads).clamp(min=_SMALLEST_SPREAD)
    worst = float(((given - expected).abs().amax(dim=(1, 2)) / spread).max())
    if not worst <= TOLERANCE:
        raise GoldenError(f"the golden forecast differs by {worst:.2e} of the spread, {TOLERANCE:.0e} is allowed")


def _answer(predictor: Predictor, window: dict[str, torch.Tensor]) -> torch.Tensor:
    here = {name: tensor.to(predictor.ensemble.device) for name, tensor in window.items()}
    covariates = _batch(here) if "calendar" in here else None
    return predictor.quantiles(here["context"], here["observed"], predictor.levels, covariates, here.get("groups"))


def _names(config: ModelConfig) -> set[str]:
    names = {"context", "observed", "quantiles"} | ({"groups"} if config.channels == "group" else set())
    if not config.reads_context_alone:
        names |= {f"{kind}.{part}" for kind in (_PAST, _KNOWN, _STATIC) for part in ("values", "observed")}
        names |= {"calendar", "categories"}
    return names | ({_ELAPSED} if config.reads_elapsed else set())


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
    draw = torch.Generator().manual_seed(_SEED)
    whole = length + config.horizon
    found = {
        "calendar": 2 * torch.rand(num_windows, whole, len(wanted.calendar), generator=draw) - 1,
        "categories": _numbers(wanted, num_windows),
    }
    shapes = {
        _PAST: (num_windows, length, len(wanted.past)),
        _KNOWN: (num_windows, whole, len(wanted.known)),
        _STATIC: (num_windows, len(wanted.static)),
    }
    for kind, shape in shapes.items():
        observed = torch.rand(shape, generator=draw) < _OBSERVED_SHARE
        found[f"{kind}.values"] = torch.randn(shape, generator=draw, dtype=torch.float64) * observed
        found[f"{kind}.observed"] = observed
    if config.reads_elapsed:
        found[_ELAPSED] = _elapsed(length, torch.rand(num_windows, whole, generator=draw))
    return found


def _elapsed(length: int, draws: torch.Tensor) -> torch.Tensor:
    """Gives the time from the end of each step to the cutoff [G L+H], for steps of length 0.5 to 1.5."""
    ends = (0.5 + draws).cumsum(dim=1)
    return ends[:, length - 1 : length] - ends


def _numbers(wanted: CovariateConfig, num_windows: int) -> torch.Tensor:
    """Gives category numbers [G F]: those of each vocabulary in turn, 0 for missing included."""
    sizes = [1 + len(texts) for texts in wanted.categories.values()]
    columns = [torch.arange(1, num_windows + 1) % size for size in sizes]
    return torch.stack(columns, dim=1) if columns else torch.empty(num_windows, 0, dtype=torch.int64)


def _batch(window: dict[str, torch.Tensor]) -> CovariateBatch:
    past, known, static = (
        Masked(window[f"{kind}.values"], window[f"{kind}.observed"]) for kind in (_PAST, _KNOWN, _STATIC)
    )
    return CovariateBatch(past, known, window["calendar"], static, window["categories"], window.get(_ELAPSED))
