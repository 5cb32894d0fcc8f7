"""How good a forecast turned out to be, step by observed step: pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray
from forecaster.metrics import score

_MEDIAN, _SHARE = 0.5, 0.8


@dataclass(frozen=True)
class Outcome:
    """What came of the forecast of one series; None for what cannot be said of it."""

    num_observed: int
    mase: float | None = None
    naive_mase: float | None = None  # of the seasonal naive, over the same steps
    num_within: int | None = None  # observed steps inside the central 80 % interval


def outcome(
    actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...], naive: FloatArray, scale: float | None
) -> Outcome:
    """Scores quantiles [H Q] and a naive forecast [H] against actuals [H], NaN where not observed yet.

    Both are scored by `forecaster.metrics.score`, over the steps that are observed. MASE wants the level 0.5 and a
    scale, the interval the levels 0.1 and 0.9.
    """
    num_observed = int((~np.isnan(actual)).sum())
    if num_observed == 0 or _MEDIAN not in levels:
        return Outcome(num_observed)
    scales = np.array([np.nan if scale is None else scale])
    ours = score(actual[np.newaxis], quantiles[np.newaxis], levels, scales)
    theirs = score(actual[np.newaxis], naive[np.newaxis, :, np.newaxis], (_MEDIAN,), scales)
    within = ours.coverage.get(_SHARE)
    return Outcome(
        num_observed,
        _number(ours.mase),
        _number(theirs.mase),
        None if within is None else round(within * num_observed),
    )


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
