"""Takes level and spread off each context and gives them back as a value, so that the network sees unit scale.

All statistics are computed in float64 and row by row, over observed values only. They are taken relative to
the largest magnitude of the row, so nothing overflows or underflows whatever the unit of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from forecaster.types import Masked, Scale

# A row whose spread is at most this share of its level counts as constant: below it, float64 holds fewer digits of the
# variation than the float32 of the network could use.
CONSTANT_BELOW = 1e-9

# Quartiles closer to each other than this share of the largest magnitude would make it too large for float32, squared.
_SMALLEST_QUARTILES = 1e-18

# What asinh has bent is not unbent beyond +/- this: e^100 spreads are finite, and far past LARGEST_SCALED_TARGET.
_LARGEST_BENT = 100.0

# Targets are clipped to this many spreads: a jump after a nearly constant context stays finite in float32.
LARGEST_SCALED_TARGET = 1e6

_ROUNDING = 1e-9  # of a count there and back, relative

# Where logarithms are taken a target that is lower counts as this share of the level of its window, as 0 has none, or
# as this many spreads of the logarithms below it, whichever is less: what falls steadily gets below any share.
SMALLEST_SHARE = 0.01
LOWEST_LOGARITHM = -10.0

_NORMAL_QUARTILES = 1.3489795  # distance between the quartiles of a standard normal

LocAndSpread = tuple[torch.Tensor, torch.Tensor]  # [B 1] each


@dataclass(frozen=True)
class ScaledContext:
    """A context around 0 with spread 1, and what was taken off it."""

    values: torch.Tensor  # [B L] float32, 0 where not observed, (nearly) 0 all over a constant row
    observed: torch.Tensor  # [B L] bool
    scale: Scale


def mean_and_deviation(values: torch.Tensor, observed: torch.Tensor) -> LocAndSpread:
    """Gives mean and population standard deviation of the observed values of each row [B L]."""
    count = observed.sum(dim=1, keepdim=True).clamp(min=1)
    mean = values.sum(dim=1, keepdim=True) / count
    variance = torch.where(observed, values - mean, 0.0).square().sum(dim=1, keepdim=True) / count
    varies = variance > 0  # the root has no slope at 0, and a constant row shall have a finite gradient
    return mean, torch.where(varies, torch.where(varies, variance, 1.0).sqrt(), 0.0)


def median_and_quartiles(values: torch.Tensor, observed: torch.Tensor) -> LocAndSpread:
    """Gives median and interquartile range / 1.349 (1 for a normal) of the observed values of each row [B L].

    Where the quartiles are equal, though not all values are, the standard deviation is the spread. They are equal where
    nothing but rounding tells them apart: rounding of the quartiles, as one outlier may be far beyond them.
    """
    known = torch.where(observed, values, torch.nan)
    levels = torch.tensor([0.25, 0.5, 0.75], dtype=values.dtype, device=values.device)
    low, median, high = known.nanquantile(levels, dim=1, keepdim=True).nan_to_num(0.0)
    quartiles = (high - low) / _NORMAL_QUARTILES
    rounding = CONSTANT_BELOW * torch.maximum(low.abs(), high.abs())
    tells = quartiles > rounding.clamp(min=_SMALLEST_QUARTILES)
    return median, torch.where(tells, quartiles, mean_and_deviation(values, observed)[1])


STATISTICS: dict[str, Callable[[torch.Tensor, torch.Tensor], LocAndSpread]] = {
    "mean_std": mean_and_deviation,
    "robust": median_and_quartiles,
    "asinh": median_and_quartiles,
    "log": mean_and_deviation,
}


def scale_context(context: torch.Tensor, observed: torch.Tensor, scaling: str = "mean_std") -> ScaledContext:
    """Scales context [B L] float64 by the statistics of each row's observed [B L] values that `scaling` names.

    What stands under observed False is never read, be it NaN. A constant row has spread 0 and exactly its
    constant as loc; a row with nothing observed has loc 0 and spread 0. With 'off' loc is 0 and spread 1. With 'log'
    rows of values above 0 are scaled by their logarithms, the others by mean and deviation.
    """
    known = torch.where(observed, context.to(torch.float64), 0.0)
    if scaling == "off":
        row = known[:, :1]
        scale = Scale(torch.zeros_like(row), torch.ones_like(row), is_unit=True)
        return ScaledContext(known.to(torch.float32), observed, scale)
    largest = known.abs().amax(dim=1, keepdim=True)
    magnitude = torch.where(largest > 0, largest, 1.0)
    relative = known / magnitude
    loc, spread = STATISTICS[scaling](relative, observed)
    varies = spread > CONSTANT_BELOW * loc.abs()
    unit = torch.where(varies, spread, 1.0)
    values = torch.where(observed, relative - loc, 0.0) / unit
    bends = scaling == "asinh"
    scale = Scale(magnitude * loc, torch.where(varies, magnitude * unit, 0.0), bends)
    window = ScaledContext((values.asinh() if bends else values).to(torch.float32), observed, scale)
    return _logarithmic(window, relative, magnitude) if scaling == "log" else window


def _logarithmic(window: ScaledContext, relative: torch.Tensor, magnitude: torch.Tensor) -> ScaledContext:
    """Gives a window scaled by the statistics of its logarithms, in rows whose observed values are all above 0.

    `relative` [B L] are its values over the largest of each row (`magnitude` [B 1]). Rows that are constant, or have a
    value of 0 or less, stay as they are. The loc of the others is their geometric mean.
    """
    observed, scale = window.observed, window.scale
    positive = observed & (relative > 0)
    logs = torch.where(positive, relative, 1.0).log()
    loc, spread = mean_and_deviation(logs, observed)
    takes = (positive == observed).all(dim=1, keepdim=True) & (scale.spread > 0) & (spread > CONSTANT_BELOW)
    unit = torch.where(takes, spread, 1.0)
    values = torch.where(takes, torch.where(observed, (logs - loc) / unit, 0.0).to(torch.float32), window.values)
    locs, spreads = torch.where(takes, magnitude * loc.exp(), scale.loc), torch.where(takes, spread, scale.spread)
    return ScaledContext(values, observed, Scale(locs, spreads, logarithmic=takes))


def scale_target(target: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives target [B H] float64 as float32 in units of the context's spread, within +/- LARGEST_SCALED_TARGET.

    Where nothing is scaled, they are as they are, within what float32 holds. Rows of spread 0 are divided by 1: they
    have no unit, and the network's loss leaves them out. Where logarithms are taken, a target counts as SMALLEST_SHARE
    of the level of its window or as LOWEST_LOGARITHM at least.
    """
    divisor = torch.where(scale.spread > 0, scale.spread, 1.0)
    scaled = (target - scale.loc) / divisor
    scaled = scaled.asinh() if scale.bends else scaled
    if scale.logarithmic is not None:
        share = target / torch.where(scale.logarithmic, scale.loc, 1.0)
        lowest = (math.log(SMALLEST_SHARE) / divisor).clamp(max=LOWEST_LOGARITHM)
        logs = torch.where(share > 0, share, 0.0).log() / divisor
        scaled = torch.where(scale.logarithmic, logs.maximum(lowest), scaled)
    largest = torch.finfo(torch.float32).max if scale.is_unit else LARGEST_SCALED_TARGET
    return scaled.clamp(-largest, largest).to(torch.float32)


def unscale(values: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives values [B ...] of scaled space in the unit of the data, float64; where spread is 0, exactly loc."""
    per_row = (-1,) + (1,) * (values.ndim - 1)
    loc, spread, wide = scale.loc.reshape(per_row), scale.spread.reshape(per_row), values.to(torch.float64)
    straight = wide.clamp(-_LARGEST_BENT, _LARGEST_BENT).sinh() if scale.bends else wide
    linear = loc + spread * straight
    if scale.logarithmic is None:
        return linear
    grown = loc * (spread * wide).clamp(-_LARGEST_BENT, _LARGEST_BENT).exp()
    return torch.where(scale.logarithmic.reshape(per_row), grown, linear)


def unscale_counts(values: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives counts in the unit of the data, without what they have lost on the way: none is below 0, and 3 is 3."""
    counts = unscale(values, scale)
    whole = counts.round()
    is_whole = (counts - whole).abs() <= _ROUNDING * whole.abs().clamp(min=1.0)
    return torch.where(is_whole, whole, counts).clamp(min=0.0) + 0.0  # -0.0 is no less than 0


def scale_covariate(numbers: Masked) -> Masked:
    """Gives covariates [B T F], each column of each window with mean 0 and standard deviation 1 where observed.

    A column that does not vary within the window is 0: only its changes speak.
    """
    num_steps = numbers.values.shape[1]
    rows = numbers.values.transpose(1, 2).reshape(-1, num_steps)
    observed = numbers.observed.transpose(1, 2).reshape(-1, num_steps)
    scaled = scale_context(rows, observed).values.reshape(numbers.values.shape[0], -1, num_steps)
    return Masked(scaled.transpose(1, 2), numbers.observed)
