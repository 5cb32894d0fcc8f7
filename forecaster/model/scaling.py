"""Takes level and spread off each context and gives them back as a value, so that the network sees unit scale.

All statistics are computed in float64 and row by row, over observed values only. They are taken relative to
the largest magnitude of the row, so nothing overflows or underflows whatever the unit of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from forecaster.types import Scale

# A row whose standard deviation is at most this share of its largest magnitude counts as constant:
# below it, float64 holds fewer digits of the variation than the float32 of the network could use.
CONSTANT_BELOW = 1e-9

# Targets are clipped to this many spreads: a jump after a nearly constant context stays finite in float32.
LARGEST_SCALED_TARGET = 1e6


@dataclass(frozen=True)
class ScaledContext:
    """A context of mean 0 and standard deviation 1, with what was taken off it."""

    values: torch.Tensor  # [B L] float32, 0 where not observed, (nearly) 0 all over a constant row
    observed: torch.Tensor  # [B L] bool
    scale: Scale


def standardize(context: torch.Tensor, observed: torch.Tensor) -> ScaledContext:
    """Scales context [B L] float64 by the mean and population standard deviation of each row's observed [B L] values.

    What stands under observed False is never read, be it NaN. A constant row has spread 0 and exactly its
    constant as loc; a row with nothing observed has loc 0 and spread 0.
    """
    count = observed.sum(dim=1, keepdim=True).clamp(min=1)
    known = torch.where(observed, context.to(torch.float64), 0.0)
    largest = known.abs().amax(dim=1, keepdim=True)
    magnitude = torch.where(largest > 0, largest, 1.0)
    relative = known / magnitude
    mean = relative.sum(dim=1, keepdim=True) / count
    deviation = torch.where(observed, relative - mean, 0.0)
    variance = deviation.square().sum(dim=1, keepdim=True) / count
    varies = variance > CONSTANT_BELOW**2
    unit = torch.where(varies, variance, 1.0).sqrt()
    scale = Scale(loc=magnitude * mean, spread=torch.where(varies, magnitude * unit, 0.0))
    return ScaledContext((deviation / unit).to(torch.float32), observed, scale)


def scale_target(target: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives target [B H] float64 as float32 in units of the context's spread, within +/- LARGEST_SCALED_TARGET.

    Rows of spread 0 are divided by 1: they have no unit, and the network's loss leaves them out.
    """
    divisor = torch.where(scale.spread > 0, scale.spread, 1.0)
    scaled = (target - scale.loc) / divisor
    return scaled.clamp(-LARGEST_SCALED_TARGET, LARGEST_SCALED_TARGET).to(torch.float32)


def unscale(values: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives values [B ...] of scaled space in the unit of the data, float64; where spread is 0, exactly loc."""
    per_row = (-1,) + (1,) * (values.ndim - 1)
    return scale.loc.reshape(per_row) + scale.spread.reshape(per_row) * values.to(torch.float64)
