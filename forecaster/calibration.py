"""Conformal calibration: offsets that make held-out coverage true, per horizon step and quantile level.

The offset of a level is the quantile, at that level, of what held-out actuals exceed the forecast by: added to
the forecast, it puts the wanted share of them below (split conformal prediction per quantile, after Romano,
Patterson & Candes 2019, "Conformalized Quantile Regression"). It is learned and applied in scaled space, so
it follows the spread of each window, and forecasts keep following scale and shift of a series. The median, which is
the point forecast, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from forecaster.arrays import FloatArray

QuantileFunction = Callable[[Sequence[float]], torch.Tensor]

_MEDIAN = 0.5
# Steps lend each other residuals until an offset rests on this many; with fewer in all there is no calibration.
_MIN_RESIDUALS = 200
_MIN_WINDOWS_BEYOND = 10 - 1e-6


@dataclass(frozen=True)
class Calibration:
    """What is added to scaled quantiles."""

    levels: tuple[float, ...]  # Q, ascending
    offsets: FloatArray  # [H Q], in spreads of the context; 0 at the anchor

    @property
    def anchor(self) -> float:
        """The level that is left as it is: the one nearest to the median."""
        return min(self.levels, key=lambda level: abs(level - _MEDIAN))

    def adjusted(self, quantiles_at: QuantileFunction, levels: Sequence[float]) -> torch.Tensor:
        """Gives calibrated quantiles [B H Q'] at ascending `levels` of forecasts that `quantiles_at` gives scaled.

        Between calibrated levels the offset is linear, outside of them that of the outermost. Where offsets
        would make levels cross, the ones farther from the anchor give way. What is given for one level does not
        depend on which others are asked for.
        """
        joint = sorted({*levels, *self.levels})
        offsets = np.stack([np.interp(joint, self.levels, row) for row in self.offsets])
        raw = quantiles_at(joint)
        shifted = raw + torch.from_numpy(offsets).to(raw)
        anchor = joint.index(self.anchor)
        below = shifted[..., : anchor + 1].flip(-1).cummin(dim=-1).values.flip(-1)
        above = shifted[..., anchor:].cummax(dim=-1).values
        ordered = torch.cat([below, above[..., 1:]], dim=-1)
        return ordered[..., [joint.index(level) for level in levels]]


def calibrate(quantiles: FloatArray, target: FloatArray, levels: tuple[float, ...], num_disjoint: int) -> Calibration:
    """Learns a calibration from held-out scaled quantiles [W H Q] and scaled targets [W H], NaN where missing.

    A step with few residuals borrows those of its neighbours, as many steps on each side as it takes. Where all
    steps together have fewer than 200, the offsets are 0: they would narrow intervals by chance.

    Windows that overlap repeat each other's errors, so that they say little about the tails however many they
    are. A level is learned only where 10 of the `num_disjoint` windows are expected beyond it (its share then
    has a relative error of about 30 %); one farther out takes the offset of the outermost learned on its side.
    """
    residuals = target[:, :, None] - quantiles
    calibration = Calibration(levels, np.zeros(quantiles.shape[1:]))
    learnable = [p for p, level in enumerate(levels) if num_disjoint * min(level, 1 - level) > _MIN_WINDOWS_BEYOND]
    for step, offsets in enumerate(calibration.offsets):
        pooled = _pooled(residuals, step)
        if len(pooled) < _MIN_RESIDUALS:
            continue
        # Rank (n + 1) level, as split conformal prediction wants it.
        known = {levels[p]: float(np.quantile(pooled[:, p], levels[p], method="weibull")) for p in learnable}
        known[calibration.anchor] = 0.0
        offsets[:] = np.interp(levels, sorted(known), [known[level] for level in sorted(known)])
    return calibration


def _pooled(residuals: FloatArray, step: int) -> FloatArray:
    """Gives the residuals [n Q] of a step, and of as many neighbours as it takes to be enough."""
    horizon = residuals.shape[1]
    for reach in range(horizon):
        block = residuals[:, max(0, step - reach) : step + reach + 1].reshape(-1, residuals.shape[2])
        pooled = block[~np.isnan(block[:, 0])]
        if len(pooled) >= _MIN_RESIDUALS:
            break
    return pooled
