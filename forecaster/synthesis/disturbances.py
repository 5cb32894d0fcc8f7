"""What happens to series on their way into a table: outliers, shifts, ceilings, rounding, and steps that are lost."""

from __future__ import annotations

from collections.abc import Callable

import torch

from forecaster.synthesis.draws import Draws
from forecaster.synthesis.parts import standardised


def disturbed(draws: Draws, values: torch.Tensor) -> torch.Tensor:
    """Gives series [S T] around 0 of size 1, some of them turned, warped, shifted, spiked, cut off or rounded."""
    paths = standardised(values)
    for share, change in _CHANGES:
        rows = draws.rows(share, len(paths))
        paths = paths.index_copy(0, rows, change(draws, paths[rows]))
    turned = draws.rows(0.1, len(paths))
    paths = paths.index_copy(0, turned, -paths[turned])
    return standardised(paths).nan_to_num(0.0).clamp(-1e4, 1e4)


def missing(draws: Draws, num_series: int, num_steps: int) -> torch.Tensor:
    """Gives the steps [S T] that are lost: of a tenth of the series single ones, of a tenth a whole stretch."""
    single = draws.uniform(0, 1, num_series, num_steps) < draws.uniform(0.0, 0.3, num_series, 1)
    start = draws.uniform(-0.1, 1.0, num_series, 1) * num_steps
    length = draws.uniform(0.0, 0.3, num_series, 1) * num_steps
    time = torch.arange(num_steps, device=draws.device)
    stretch = (time >= start) & (time < start + length)
    return (single & draws.chance(0.1, num_series, 1)) | (stretch & draws.chance(0.1, num_series, 1))


def _warped(draws: Draws, paths: torch.Tensor) -> torch.Tensor:
    """Runs through each series more slowly, at half its pace at the least."""
    num_steps = paths.shape[1]
    pace = draws.log_uniform(0.5, 1.0, len(paths), 1)
    place = (torch.arange(num_steps, device=paths.device) * pace).clamp(max=num_steps - 1)
    low = place.floor().long()
    high = (low + 1).clamp(max=num_steps - 1)
    rest = place - low
    return paths.gather(1, low) * (1 - rest) + paths.gather(1, high) * rest


def _shifted(draws: Draws, paths: torch.Tensor) -> torch.Tensor:
    """Raises or lowers all from some step on."""
    num_series, num_steps = paths.shape
    time = torch.arange(num_steps, device=paths.device)
    since = draws.uniform(0, 1, num_series, 1) * num_steps
    return paths + (time >= since) * draws.normal(num_series, 1) * 3


def _spiked(draws: Draws, paths: torch.Tensor) -> torch.Tensor:
    """Adds outliers of several deviations at one step in a hundred."""
    fired = draws.chance(0.01, *paths.shape)
    return paths + fired * draws.normal(*paths.shape) * 6


def _cut(draws: Draws, paths: torch.Tensor) -> torch.Tensor:
    """Holds values above a ceiling, below a floor, or both."""
    num_series = len(paths)
    low = torch.where(draws.chance(0.6, num_series, 1), draws.uniform(-1.5, 0.3, num_series, 1), -1e4)
    high = torch.where(draws.chance(0.4, num_series, 1), draws.uniform(0.5, 2.0, num_series, 1), 1e4)
    return paths.clamp(low, high)


def _rounded(draws: Draws, paths: torch.Tensor) -> torch.Tensor:
    """Keeps a few digits only."""
    step = draws.log_uniform(0.02, 1.0, len(paths), 1)
    return (paths / step).round() * step


# Which share of the series is changed how, in this order.
_CHANGES: tuple[tuple[float, Callable[[Draws, torch.Tensor], torch.Tensor]], ...] = (
    (0.1, _warped),
    (0.08, _shifted),
    (0.1, _spiked),
    (0.08, _cut),
    (0.08, _rounded),
)
