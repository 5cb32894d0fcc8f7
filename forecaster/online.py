"""Online adaption: one factor for a series that follows how its forecasts come true, after training is over.

A quantile's distance from the median, which stays, is multiplied by the factor, as calibration does it. The logarithm
of the factor moves after each time that was observed: up where the actual value lay outside of the central 80 %
interval that the factor makes of the model's own forecast, down by a quarter of that where it lay within. So it
settles where one in five lies outside (quantile tracking, Angelopoulos, Candes & Tibshirani 2023, on the logarithm of
the distance from the median in half widths). A step has the same length however far off a value was, so a single wild
one does little, and the factor has no unit.

What enters is the forecast as the model made it, whatever was then published, and the factor is a function of the last
times alone: the same scores give the same factor, in whatever order and however often they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.errors import RequestError
from forecaster.support import Support, kept_within

MEMORY = 256  # times that a factor is made of, the last ones
ENOUGH = 20  # times of a series from which on its own factor counts
ENOUGH_SERIES = 5  # that have one, for the model to have one

ANCHOR, LOWER, UPPER = 0.5, 0.1, 0.9
CORE = (LOWER, ANCHOR, UPPER)  # levels that a distance is counted by

_MISSED = 0.2  # share of actual values that lie outside of the interval between LOWER and UPPER
_RATE = 0.05  # docs/experiments.md says by which measurement
_FURTHEST = 3.0  # of the logarithm: factors stay between 1 / 20 and 20


def distances(actual: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Gives how far actual values [H] lie from the median, in half widths of the central 80 % interval on their side.

    Above 1 they lie outside, as they do without any width, infinitely far, if not at the median. NaN where there is no
    actual value; everywhere, where one of the levels 0.1, 0.5 and 0.9 of the quantiles [H Q] is not there.
    """
    if not set(CORE) <= set(levels):
        return np.full(len(actual), np.nan)
    lower, middle, upper = _core(quantiles, levels)
    half, away = np.where(actual > middle, upper - middle, middle - lower), np.abs(actual - middle)
    return np.asarray(np.divide(away, half, out=np.where(away > 0, np.inf, away), where=half > 0))


def log_factors(found: FloatArray) -> FloatArray:
    """Gives the logarithm of the factor [...] that distances [... n m] at n times lead to, the oldest first.

    Of one time there are up to m, from forecasts of several origins, which together count as one; NaN for none.
    """
    state = np.zeros(found.shape[:-2])
    for place in range(found.shape[-2]):
        own = found[..., place, :]
        number = (~np.isnan(own)).sum(axis=-1)
        outside = (own > np.exp(state)[..., np.newaxis]).sum(axis=-1)
        moved = state + _RATE * (outside / np.maximum(number, 1) - _MISSED)
        state = np.where(number > 0, np.clip(moved, -_FURTHEST, _FURTHEST), state)
    return state


def factor_of(times: IntArray, found: FloatArray) -> tuple[float, int]:
    """Gives the factor of a series, and of how many times it is, for distances [n] at times [n] in any order."""
    known = ~np.isnan(found)
    _, numbers = np.unique(times[known], return_inverse=True)
    if not len(numbers):
        return 1.0, 0
    own, rows = found[known], numbers - max(0, int(numbers.max()) + 1 - MEMORY)
    order = np.lexsort((own, rows))[(rows < 0).sum() :]
    own, rows = own[order], rows[order]
    places = np.arange(len(rows)) - np.searchsorted(rows, rows)
    table = np.full((int(rows[-1]) + 1, int(places.max()) + 1), np.nan)
    table[rows, places] = own
    return float(np.exp(log_factors(table))), len(table)


def adapted(values: FloatArray, levels: Sequence[float], factors: FloatArray, support: Support = "any") -> FloatArray:
    """Gives quantiles [S H Q] with the distance of each from the median multiplied by the factor [S] of its series.

    A series whose factor is 1 keeps its bytes; levels never cross, and stay in the support of the model. RequestError
    where the level 0.5 is not there.
    """
    if ANCHOR not in levels:
        raise RequestError(f"adaption needs the level {ANCHOR} among those of the forecast, got {list(levels)}")
    middle = values[..., levels.index(ANCHOR), np.newaxis]
    moved = kept_within(middle + factors[:, np.newaxis, np.newaxis] * (values - middle), values, support)
    return np.where(factors[:, np.newaxis, np.newaxis] == 1.0, values, moved)


def lost_core(
    own: FloatArray, published: FloatArray, levels: Sequence[float], factors: FloatArray
) -> list[FloatArray | None]:
    """Gives of each series the quantiles [H 3] of its `own` ones [S H Q] at `CORE`, where published ones hide them.

    None where the distance of a published one, divided by the factor [S], is that of the model's own: where none was
    moved to stay in the support.
    """
    if not set(CORE) <= set(levels):
        return [None] * len(own)
    is_hidden = (adapted(own, levels, factors) != published).any(axis=(1, 2))
    core = np.stack(_core(own, levels), axis=-1)
    return [core[place] if hidden else None for place, hidden in enumerate(is_hidden)]


def _core(quantiles: FloatArray, levels: Sequence[float]) -> list[FloatArray]:
    return [quantiles[..., levels.index(level)] for level in CORE]
