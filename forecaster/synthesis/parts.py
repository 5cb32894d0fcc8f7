"""What several families are put together from: cycles, trends, recursions. All are [S T]."""

from __future__ import annotations

import math

import torch

from forecaster.synthesis.draws import Draws
from forecaster.synthesis.order import Order

_MAX_HARMONICS = 8
_HAVE_LONGER = 0.3  # share of the series that know a year of days, or a week of hours


def clock(draws: Draws, num_steps: int) -> torch.Tensor:
    """Gives the steps 0 .. T-1 [T] float32."""
    return torch.arange(num_steps, dtype=torch.float32, device=draws.device)


def standardised(series: torch.Tensor) -> torch.Tensor:
    """Gives each row with mean 0 and deviation 1; a constant row becomes 0."""
    centred = series - series.mean(dim=1, keepdim=True)
    return centred / centred.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)


def periodic(draws: Draws, num_series: int, num_steps: int, period: int) -> torch.Tensor:
    """Gives cycles of one whole period, each row of its own shape, with deviation 1.

    A third each are smooth waves, an independent number for each phase, and bursts that stand out of a flat floor.
    """
    if period < 2:
        return torch.zeros(num_series, num_steps, device=draws.device)
    phase = torch.arange(period, dtype=torch.float32, device=draws.device) / period * 2 * math.pi
    harmonics = torch.arange(1, min(_MAX_HARMONICS, max(1, period // 2)) + 1, device=draws.device)
    size = draws.normal(num_series, len(harmonics)) / harmonics ** draws.uniform(0.3, 2.0, num_series, 1)
    angle = harmonics[None, :, None] * phase + draws.uniform(0, 2 * math.pi, num_series, len(harmonics), 1)
    smooth = (size.unsqueeze(-1) * angle.sin()).sum(dim=1)
    loose = draws.normal(num_series, period)
    lone = phase + draws.uniform(0, 2 * math.pi, num_series, 1)
    burst = (draws.log_uniform(0.5, 8.0, num_series, 1) * (lone.cos() - 1)).exp()
    kind = draws.integers(0, 2, num_series, 1)
    profile = torch.where(kind == 0, smooth, torch.where(kind == 1, loose, burst))
    start = draws.integers(0, period - 1, num_series, 1)
    places = (start + torch.arange(num_steps, device=draws.device)) % period
    return standardised(profile).gather(1, places)


def longer_cycle(draws: Draws, order: Order) -> torch.Tensor:
    """Gives the longer cycle of the order to three rows in ten, with deviation about 1; the others have none: 0.

    No year or week is quite like the one before: the cycle grows and shrinks, and in half of the rows its shape
    becomes another one.
    """
    num_series, num_steps, period = order.num_series, order.num_steps, order.cycles.longer
    rows = draws.rows(_HAVE_LONGER, num_series)
    first, second = (periodic(draws, len(rows), num_steps, period) for _ in range(2))
    share = torch.sigmoid(2 * slow_path(draws, len(rows), num_steps)) * draws.chance(0.5, len(rows), 1)
    size = (draws.uniform(0.0, 1.0, len(rows), 1) * slow_path(draws, len(rows), num_steps)).exp()
    none = torch.zeros(num_series, num_steps, device=draws.device)
    return none.index_copy(0, rows, size * ((1 - share) * first + share * second))


def waves(draws: Draws, num_series: int, num_steps: int, num_waves: int = 3) -> torch.Tensor:
    """Gives sums of sine waves of any period from 4 steps to twice the length."""
    time = clock(draws, num_steps)
    period = draws.log_uniform(4.0, 2.0 * max(num_steps, 4), num_series, num_waves, 1)
    angle = 2 * math.pi * time / period + draws.uniform(0, 2 * math.pi, num_series, num_waves, 1)
    return (draws.normal(num_series, num_waves, 1) * angle.sin()).sum(dim=1)


def seasons(draws: Draws, order: Order) -> torch.Tensor:
    """Gives the cycles of the order, in some rows both, whose size may drift; some rows follow any waves instead."""
    num_series, num_steps, cycles = order.num_series, order.num_steps, order.cycles
    short = periodic(draws, num_series, num_steps, cycles.season) * draws.log_uniform(0.1, 2.0, num_series, 1)
    both = short
    if cycles.longer:
        longer = longer_cycle(draws, order) * draws.log_uniform(0.1, 2.0, num_series, 1)
        both = torch.where(draws.chance(0.7, num_series, 1), short + longer, short * (1 + 0.5 * longer))
    drift = (draws.uniform(0, 1, num_series, 1) ** 3 * 2 * slow_path(draws, num_series, num_steps)).exp()
    free = waves(draws, num_series, num_steps)
    return torch.where(draws.chance(0.1 if cycles.season > 1 else 0.4, num_series, 1), free, both * drift)


def slow_path(draws: Draws, num_series: int, num_steps: int) -> torch.Tensor:
    """Gives smooth paths around 0 of size 1: a walk between a few knots."""
    num_knots = 6
    knots = draws.normal(num_series, 1, num_knots)
    return torch.nn.functional.interpolate(knots, num_steps, mode="linear", align_corners=True).squeeze(1)


def trend(draws: Draws, num_series: int, num_steps: int) -> torch.Tensor:
    """Gives trends over the whole length of size up to 3: lines, bends at a break, damped and S-shaped ones."""
    time = clock(draws, num_steps) / num_steps
    slope = draws.normal(num_series, 1)
    breaks = draws.uniform(0, 1, num_series, 1)
    bent = slope * time + draws.normal(num_series, 1) * 2 * (time - breaks).clamp(min=0)
    damped = slope * (1 - (-time * draws.log_uniform(1.0, 10.0, num_series, 1)).exp())
    grown = 2 * slope * torch.sigmoid((time - breaks) * draws.log_uniform(4.0, 30.0, num_series, 1))
    kind = draws.integers(0, 4, num_series, 1)
    straight = torch.where(kind == 0, torch.zeros_like(bent), slope * 2 * time)
    return torch.where(kind <= 1, straight, torch.where(kind == 2, bent, torch.where(kind == 3, damped, grown)))


def recursion(shocks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Gives x_t = sum_i w_i x_(t-i) + shock_t [S T] for weights [S p], from 0 before the first step."""
    num_lags = weights.shape[1]
    path = [torch.zeros_like(shocks[:, 0])] * num_lags
    columns = weights.unbind(1)
    for shock in shocks.unbind(1):
        value = shock
        for lag, weight in enumerate(columns, start=1):
            value = torch.addcmul(value, weight, path[-lag])
        path.append(value)
    return torch.stack(path[num_lags:], dim=1)
