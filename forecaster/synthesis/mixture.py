"""The mixture that encoders are pretrained on: every family equally often, some crossed, some disturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from forecaster.synthesis.disturbances import disturbed, missing
from forecaster.synthesis.draws import Draws
from forecaster.synthesis.families import (
    autoregressive,
    calendar,
    counts,
    gaussian_process,
    pulses,
    regimes,
    smoothing,
    structural,
    walks,
)
from forecaster.synthesis.order import Order
from forecaster.synthesis.parts import standardised

Family = Callable[[Draws, Order], torch.Tensor]

FAMILIES: dict[str, Family] = {
    "structural": structural,
    "calendar": calendar,
    "smoothing": smoothing,
    "autoregressive": autoregressive,
    "gaussian_process": gaussian_process,
    "walks": walks,
    "counts": counts,
    "regimes": regimes,
    "pulses": pulses,
}

_CROSSED = 0.15  # share of series that are mixed with one of another family


@dataclass(frozen=True)
class Synthetic:
    """Series with the steps of them that are seen."""

    values: torch.Tensor  # [S T] float32, finite, 0 where not observed
    observed: torch.Tensor  # [S T] bool


def synthesize(draws: Draws, order: Order) -> Synthetic:
    """Gives series of all families in equal shares, in random order; the same draws give the same series."""
    shares = [order.num_series // len(FAMILIES)] * len(FAMILIES)
    for extra in range(order.num_series % len(FAMILIES)):
        shares[extra] += 1
    parts = [family(draws, order.of(share)) for family, share in zip(FAMILIES.values(), shares, strict=True) if share]
    values = torch.cat(parts)
    places = torch.randperm(len(values), generator=draws.generator, device=draws.device)
    values = disturbed(draws, _crossed(draws, values[places]))
    observed = ~missing(draws, *values.shape)
    return Synthetic(torch.where(observed, values, 0.0), observed)


def _crossed(draws: Draws, values: torch.Tensor) -> torch.Tensor:
    """Mixes some series with their neighbour: a weighted sum, a product, or what it causes some steps later."""
    rows = draws.rows(_CROSSED, len(values))
    own, other = standardised(values[rows]), standardised(values[rows - 1])
    num_series, num_steps = own.shape
    share = draws.uniform(0.2, 0.8, num_series, 1)
    summed = share * own + (1 - share) * other
    product = own * other
    fading = draws.uniform(0.3, 0.95, num_series, 1) ** torch.arange(8, device=values.device)  # [S 8]
    padded = torch.nn.functional.pad(other, (8, 0)).unfold(1, 8, 1)[:, :num_steps]  # the eight steps before each
    caused = share * own + (1 - share) * (padded * fading.flip(1).unsqueeze(1)).sum(dim=2)
    kind = draws.integers(0, 3, num_series, 1)
    mixed = torch.where(kind <= 1, summed, torch.where(kind == 2, product, caused))
    return values.index_copy(0, rows, mixed)
