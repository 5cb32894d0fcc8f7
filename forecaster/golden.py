"""The golden forecast: some contexts, and what the trainer's predictor said of them, replayed wherever it is loaded."""

from __future__ import annotations

import torch

from forecaster.errors import BundleError, GoldenError
from forecaster.predictor import Predictor

# Relative to the spread of each golden context: other CPUs sum in another order, a changed weight shows.
TOLERANCE = 1e-3

_SMALLEST_SPREAD = 1e-9

_NAMES = {"context", "observed", "quantiles"}


def record_golden(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Gives contexts [G L], observed [G L] and the quantiles [G H Q] that the predictor gives for them."""
    context, observed = _contexts(predictor.network.context_length)
    device = next(predictor.network.parameters()).device
    quantiles = predictor.quantiles(context.to(device), observed.to(device), predictor.levels)
    return {"context": context, "observed": observed, "quantiles": quantiles.cpu().contiguous()}


def replay_golden(predictor: Predictor, golden: dict[str, torch.Tensor]) -> None:
    """Raises GoldenError unless the predictor gives, within TOLERANCE, what was recorded."""
    if set(golden) != _NAMES:
        raise BundleError(f"the golden forecast holds {sorted(golden)}, wanted {sorted(_NAMES)}")
    context, observed, expected = golden["context"], golden["observed"], golden["quantiles"]
    given = predictor.quantiles(context, observed, predictor.levels)
    if given.shape != expected.shape or not torch.isfinite(given).all():
        raise GoldenError("the golden forecast has another shape or is not finite")
    spreads = [row[mask].std(correction=0) for row, mask in zip(context, observed, strict=True)]
    spread = torch.stack(spreads).clamp(min=_SMALLEST_SPREAD)
    worst = float(((given - expected).abs().amax(dim=(1, 2)) / spread).max())
    if not worst <= TOLERANCE:
        raise GoldenError(f"the golden forecast differs by {worst:.2e} of the spread, {TOLERANCE:.0e} is allowed")


def _contexts(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives contexts that exercise scaling, seasonality, gaps and short histories."""
    steps = torch.arange(length, dtype=torch.float64)
    wave = torch.sin(steps * (2 * torch.pi / 24))
    contexts = torch.stack([wave, 1e6 + 50 * wave + steps, (steps * 37 % 11) - 5, 3 + 0.01 * steps])
    observed = torch.ones_like(contexts, dtype=torch.bool)
    observed[1, ::5] = False
    observed[2, : length - max(2, length // 4)] = False
    return contexts * observed, observed
