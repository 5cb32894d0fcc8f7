"""The families of series: each gives [S T] float32 of any level and size for an order. O(T log T) at most."""

from __future__ import annotations

import math

import torch

from forecaster.synthesis.draws import Draws
from forecaster.synthesis.order import Order
from forecaster.synthesis.parts import clock, longer_cycle, periodic, recursion, seasons, slow_path, standardised, trend

_DAYS = 7  # of a week
_BURN_IN = 64  # steps of a recursion that are thrown away


def structural(draws: Draws, order: Order) -> torch.Tensor:
    """Gives trend + seasons + correlated noise, in half of the rows as logarithms: growth and seasons multiply."""
    num_series, num_steps = order.num_series, order.num_steps
    noise = _noise(draws, num_series, num_steps) * draws.log_uniform(0.005, 1.0, num_series, 1)
    total = trend(draws, num_series, num_steps) + seasons(draws, order) + noise
    grown = (total * draws.log_uniform(0.05, 0.7, num_series, 1)).clamp(-8, 8).exp()
    return torch.where(draws.chance(0.5, num_series, 1), grown, total)


def calendar(draws: Draws, order: Order) -> torch.Tensor:
    """Gives strong cycles with little around them: load, traffic, visits. Every third row is one of logarithms.

    Where seven seasons make the longer cycle, two days of each week have a shape of their own in half of the rows.
    """
    num_series, num_steps, cycles = order.num_series, order.num_steps, order.cycles
    usual = periodic(draws, num_series, num_steps, cycles.season)
    longer = longer_cycle(draws, order) * draws.uniform(0.0, 1.0, num_series, 1)
    if cycles.longer == _DAYS * cycles.season:
        quiet = periodic(draws, num_series, num_steps, cycles.season) * draws.uniform(0.0, 1.0, num_series, 1)
        quiet = quiet + draws.normal(num_series, 1)
        day = (clock(draws, num_steps) + draws.integers(0, cycles.longer, num_series, 1)) // cycles.season % _DAYS
        usual = torch.where((day >= _DAYS - 2) & draws.chance(0.5, num_series, 1), quiet, usual)
    size = (draws.uniform(0.0, 0.5, num_series, 1) * slow_path(draws, num_series, num_steps)).exp()
    level = draws.log_uniform(0.05, 2.0, num_series, 1) * slow_path(draws, num_series, num_steps)
    noise = _noise(draws, num_series, num_steps) * draws.log_uniform(0.005, 0.7, num_series, 1)
    total = (usual + longer) * size + level * draws.chance(0.7, num_series, 1) + noise
    return torch.where(draws.chance(0.33, num_series, 1), (0.5 * total).clamp(-8, 8).exp(), total)


def smoothing(draws: Draws, order: Order) -> torch.Tensor:
    """Gives what exponential smoothing is the best forecast of: level, damped trend and season move by the last error.

    The innovations form of Hyndman et al. 2008, "Forecasting with Exponential Smoothing", with additive errors.
    """
    num_series, period = order.num_series, max(1, order.cycles.season)
    alpha = draws.uniform(0.02, 1.0, num_series)
    beta = alpha * draws.uniform(0.0, 0.3, num_series) * draws.chance(0.6, num_series)
    gamma = (1 - alpha) * draws.uniform(0.0, 0.5, num_series) * draws.chance(0.6, num_series)
    damping = torch.where(draws.chance(0.5, num_series), 1.0, draws.uniform(0.8, 1.0, num_series))
    size = draws.log_uniform(0.05, 1.0, num_series)
    season = periodic(draws, num_series, period, period).unbind(1)
    states = [state * (draws.chance(0.8, num_series) * 1.0) for state in season] if period > 1 else [size * 0.0]
    level, slope = size * 0.0, draws.normal(num_series) * draws.log_uniform(0.005, 0.5, num_series) * size
    errors = draws.heavy(draws.uniform(0.0, 0.6, num_series, 1), num_series, order.num_steps) * size.unsqueeze(1)
    values = []
    for step, error in enumerate(errors.unbind(1)):
        place = step % period
        slope = damping * slope
        values.append(level + slope + states[place] + error)
        level = level + slope + alpha * error
        slope = slope + beta * error
        states[place] = states[place] + gamma * error
    path = torch.stack(values, dim=1)
    grown = (path * draws.log_uniform(0.02, 0.3, num_series, 1)).clamp(-8, 8).exp()
    return torch.where(draws.chance(0.4, num_series, 1), grown, path)


def autoregressive(draws: Draws, order: Order) -> torch.Tensor:
    """Gives ARMA processes with random roots inside the unit circle, two fifths of them summed up, over seasons."""
    num_series, num_steps = order.num_series, order.num_steps + _BURN_IN
    root, angle = draws.uniform(0.2, 0.99, num_series), draws.uniform(0, math.pi, num_series)
    real = draws.uniform(-0.9, 0.98, num_series)
    # (1 - 2 r cos(a) B + r^2 B^2)(1 - q B): a pair of complex roots, and a real one.
    twice, square = 2 * root * angle.cos(), root.square()
    weights = torch.stack([twice + real, -square - twice * real, square * real], dim=1)
    weights = torch.where(draws.chance(0.5, num_series, 1), weights, torch.stack([real, 0 * real, 0 * real], dim=1))
    shocks = draws.heavy(draws.uniform(0.0, 0.6, num_series, 1), num_series, num_steps)
    moved = shocks[:, 1:] + draws.uniform(-0.9, 0.9, num_series, 1) * shocks[:, :-1]
    path = standardised(recursion(moved, weights)[:, _BURN_IN - 1 :])
    drift = draws.normal(num_series, 1) * draws.log_uniform(0.01, 1.0, num_series, 1)
    path = torch.where(draws.chance(0.4, num_series, 1), (path + drift).cumsum(dim=1), path)
    return standardised(path) + seasons(draws, order) * draws.chance(0.5, num_series, 1)


def gaussian_process(draws: Draws, order: Order) -> torch.Tensor:
    """Gives draws of Gaussian processes by their spectrum: sums of smooth, rough and periodic kernels, and products.

    Circulant embedding (Dietrich & Newsam 1997) over twice the length, so that the ends of a series do not meet.
    """
    num_series, num_steps = order.num_series, order.num_steps
    first, second = _spectral(draws, order), _spectral(draws, order)
    kind = draws.integers(0, 2, num_series, 1)
    line = trend(draws, num_series, num_steps)
    mixed = torch.where(kind == 0, first, torch.where(kind == 1, first + second, first * second))
    return standardised(mixed) + line * draws.chance(0.5, num_series, 1)


def walks(draws: Draws, order: Order) -> torch.Tensor:
    """Gives walks whose steps have a scale that itself wanders, with drift and jumps, seen with or without noise."""
    num_series, num_steps = order.num_series, order.num_steps
    shocks = draws.normal(num_series, num_steps) * draws.uniform(0.0, 0.3, num_series, 1)
    wildness = recursion(shocks, draws.uniform(0.8, 0.99, num_series, 1)).clamp(-4, 4)
    jumps = draws.normal(num_series, num_steps) * 5 * draws.chance(0.005, num_series, num_steps)
    jumps = jumps * draws.chance(0.3, num_series, 1)
    drift = draws.normal(num_series, 1) * draws.log_uniform(0.01, 1.0, num_series, 1)
    steps = draws.normal(num_series, num_steps) * wildness.exp() + jumps + drift
    path = steps.cumsum(dim=1)
    seen = path + draws.normal(num_series, num_steps) * draws.uniform(0, 3, num_series, 1) * draws.chance(
        0.4, num_series, 1
    )
    priced = (standardised(seen) * draws.log_uniform(0.02, 1.0, num_series, 1)).exp()
    return torch.where(draws.chance(0.5, num_series, 1), priced, seen)


def counts(draws: Draws, order: Order) -> torch.Tensor:
    """Gives counts: Poisson around a rate with seasons and trend, from one in fifty steps to hundreds a step.

    A third of the rows are sold in lots: most steps have none, the others a size of their own (as Croston 1972 sees
    intermittent demand).
    """
    num_series, num_steps = order.num_series, order.num_steps
    size = draws.uniform(0.0, 0.7, num_series, 1)
    shape = size * standardised(seasons(draws, order)) + 0.5 * trend(draws, num_series, num_steps)
    wander = draws.uniform(0.0, 0.5, num_series, 1) * slow_path(draws, num_series, num_steps)
    spread = draws.uniform(0.0, 0.7, num_series, 1) * draws.normal(num_series, num_steps)  # more than a Poisson has
    rate = draws.log_uniform(0.05, 300.0, num_series, 1) * (shape + wander + spread).clamp(-6, 4).exp()
    smooth = draws.poisson(rate.clamp(max=1e5))
    bought = draws.uniform(0, 1, num_series, num_steps) < draws.uniform(0.02, 0.5, num_series, 1) * (shape * 0.5).exp()
    lot = 1 + draws.poisson(draws.log_uniform(0.5, 30.0, num_series, 1).expand(-1, num_steps))
    return torch.where(draws.chance(0.33, num_series, 1), lot * bought, smooth)


def regimes(draws: Draws, order: Order) -> torch.Tensor:
    """Gives series that jump between states, each with its level, slope and noise; some saturate at both ends."""
    num_series, num_steps = order.num_series, order.num_steps
    num_states = 3
    stay = 1 - draws.log_uniform(0.003, 0.1, num_series, 1)
    switches = draws.uniform(0, 1, num_series, num_steps) > stay
    state = (switches.cumsum(dim=1) * draws.integers(1, 2, num_series, 1)) % num_states
    levels = draws.normal(num_series, num_states) * 2
    sizes = draws.log_uniform(0.05, 1.0, num_series, num_states)
    slopes = draws.normal(num_series, num_states) * 0.1
    noise = recursion(draws.normal(num_series, num_steps), draws.uniform(0.0, 0.9, num_series, 1))
    stepped = levels.gather(1, state) + sizes.gather(1, state) * noise
    sloped = slopes.gather(1, state).cumsum(dim=1) + sizes.gather(1, state) * noise
    path = torch.where(draws.chance(0.5, num_series, 1), stepped, sloped)
    bounded = torch.tanh(path * draws.uniform(0.3, 1.5, num_series, 1))
    path = torch.where(draws.chance(0.2, num_series, 1), bounded, path)
    return path + seasons(draws, order) * draws.chance(0.4, num_series, 1)


def pulses(draws: Draws, order: Order) -> torch.Tensor:
    """Gives outbreaks: impulses, at any time or in season, that rise and die away, over a floor."""
    num_series, num_steps = order.num_series, order.num_steps
    season = standardised(periodic(draws, num_series, num_steps, order.cycles.season))
    rate = (
        draws.log_uniform(0.005, 0.1, num_series, 1)
        * (season * draws.uniform(0.0, 2.0, num_series, 1)).clamp(max=3).exp()
    )
    fired = draws.uniform(0, 1, num_series, num_steps) < rate
    size = draws.normal(num_series, num_steps).abs() * (draws.normal(num_series, num_steps) * 0.5).exp()
    fading, rising = draws.uniform(0.5, 0.98, num_series), draws.uniform(0.0, 0.9, num_series)
    path = recursion(fired * size, torch.stack([fading + rising, -fading * rising], dim=1))
    floor = draws.uniform(0.0, 0.2, num_series, 1) * _noise(draws, num_series, num_steps)
    return path + floor + 0.3 * trend(draws, num_series, num_steps) * draws.chance(0.3, num_series, 1)


def _noise(draws: Draws, num_series: int, num_steps: int) -> torch.Tensor:
    """Gives noise of size 1 that remembers its past, with tails of any weight and a size that may grow."""
    tail = draws.uniform(0.0, 0.8, num_series, 1) * draws.chance(0.5, num_series, 1)
    memory = draws.uniform(-0.3, 0.95, num_series, 1) * draws.chance(0.7, num_series, 1)
    shocks = draws.heavy(tail, num_series, num_steps)
    path = standardised(recursion(shocks, memory))
    grows = draws.normal(num_series, 1) * clock(draws, num_steps) / num_steps * draws.chance(0.3, num_series, 1)
    return path * grows.exp()


def _spectral(draws: Draws, order: Order) -> torch.Tensor:
    """Gives one stationary process with deviation about 1, the kind of its kernel drawn for each row."""
    num_series, length = order.num_series, 2 * order.num_steps
    frequency = torch.arange(length // 2 + 1, dtype=torch.float32, device=draws.device) / length
    scale = draws.log_uniform(2.0, max(4.0, order.num_steps / 2), num_series, 1)
    smooth = (-0.5 * (2 * math.pi * frequency * scale).square()).exp()
    rough = (1 + (2 * math.pi * frequency * scale).square()) ** -draws.uniform(0.6, 2.0, num_series, 1)
    cycle = float(order.cycles.season) if order.cycles.season > 1 else 0.0
    free = draws.log_uniform(4.0, max(8.0, order.num_steps / 2), num_series, 1)
    period = torch.where(draws.chance(0.7, num_series, 1), cycle, free) if cycle else free
    harmonic = (frequency * period).round().clamp(min=1)
    width = draws.log_uniform(0.002, 0.05, num_series, 1)  # of a harmonic: how far a cycle stays the same
    lines = (-0.5 * ((frequency * period - harmonic) / width).square()).exp() / harmonic.square()
    kind = draws.integers(0, 2, num_series, 1)
    density = torch.where(kind == 0, smooth, torch.where(kind == 1, rough, lines))
    density = torch.cat([torch.zeros_like(density[:, :1]), density[:, 1:]], dim=1)
    size = (density / density.sum(dim=1, keepdim=True).clamp(min=1e-12)).sqrt()
    waves = torch.complex(size * draws.normal(*size.shape), size * draws.normal(*size.shape))
    path: torch.Tensor = torch.fft.irfft(waves, n=length, dim=1)[:, : order.num_steps]
    return path * length / 2
