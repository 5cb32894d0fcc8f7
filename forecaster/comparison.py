"""Is one forecaster better than another, or were these windows kind to it? A paired bootstrap, by series and by fold.

Losses of the same windows are compared, so what is hard for both counts for nothing. Windows of a series resemble each
other, and so do those of a fold, which all lie at the same time. Folds whose targets overlap show the same steps again
and count as one. The variance of the logarithm of the ratio of both losses is therefore that of drawing whole series
plus that of drawing whole folds, less that of drawing single windows, which is in both (Cameron, Gelbach & Miller
2011); each is a bootstrap of its own. Its degrees of freedom are Satterthwaite's: a few folds leave much unknown,
however many series there are. What all windows of a comparison share, the only fold or the only series, cannot be known
from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray, IntArray

_NUM_DRAWS, _FEWEST_DRAWS = 500, 200
_MOST_WEIGHTS = 200_000_000  # of all draws of a bootstrap
_WEIGHTS_AT_ONCE = 4_000_000
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Gain:
    """The share by which the mean loss falls: 0.1 is a tenth less, below 0 is worse."""

    mean: float
    low: float  # above it with `confidence`; -inf where so few windows say nothing
    high: float  # below it with the same confidence
    confidence: float
    num_series: int
    num_folds: int  # those whose targets overlap count as one

    @property
    def is_certain(self) -> bool:
        """True where the loss falls, at this confidence."""
        return self.low > 0


def gain(
    challenger: FloatArray, champion: FloatArray, series: IntArray, fold: IntArray, confidence: float = 0.95
) -> Gain | None:
    """Compares losses [W] of the same windows, each of a series [W] and a fold [W]; always with the same result.

    Folds whose targets overlap are to be given as one (`Evaluation.stretch`).

    Windows where one of both is NaN, or the champion's is infinite, take no part. None where none is left, or the
    champion's loss is 0.
    """
    scored = ~np.isnan(challenger) & np.isfinite(champion)
    ours, theirs = challenger[scored], champion[scored]
    if not len(ours) or theirs.sum() <= 0:
        return None
    _, by_series = np.unique(series[scored], return_inverse=True)
    _, by_fold = np.unique(fold[scored], return_inverse=True)
    num_series, num_folds = int(by_series.max()) + 1, int(by_fold.max()) + 1
    ratio = float(ours.sum() / theirs.sum())
    half = _half_width(ours, theirs, by_series, by_fold, confidence) if 0 < ratio < math.inf else 0.0
    factor = math.exp(half) if half < _LARGEST_EXPONENT else math.inf
    return Gain(1 - ratio, 1 - ratio * factor, 1 - ratio / factor, confidence, num_series, num_folds)


def _half_width(ours: FloatArray, theirs: FloatArray, series: IntArray, fold: IntArray, confidence: float) -> float:
    draw = np.random.default_rng(0)
    found = [
        (_variance(_added_up(ours, groups), _added_up(theirs, groups), draw), int(groups.max()))
        for groups in (series, fold)
        if groups.max() > 0
    ]
    if not found:
        return math.inf
    total = sum(variance for variance, _ in found)
    if len(found) > 1:
        total = max(total - _variance(ours, theirs, draw), *(variance for variance, _ in found))
    if total == 0:
        return 0.0
    from scipy.special import stdtrit  # whoever compares nothing does without: that takes a quarter of a second

    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in found)
    return float(stdtrit(max(freedom, 1.0), confidence) * math.sqrt(total))


def _added_up(losses: FloatArray, groups: IntArray) -> FloatArray:
    return np.asarray(np.bincount(groups, losses), dtype=np.float64)


def _variance(ours: FloatArray, theirs: FloatArray, draw: np.random.Generator) -> float:
    """Gives the variance of the logarithm over draws, with replacement, of groups whose losses [n] add up to these."""
    number = len(ours)
    num_draws = int(np.clip(_MOST_WEIGHTS // number, _FEWEST_DRAWS, _NUM_DRAWS))
    at_once = max(1, _WEIGHTS_AT_ONCE // number)
    ratios = []
    for begin in range(0, num_draws, at_once):
        weights = draw.multinomial(number, np.full(number, 1 / number), min(at_once, num_draws - begin))
        lost, wanted = weights @ ours, weights @ theirs
        has_both = (lost > 0) & (wanted > 0)
        ratios.append(np.log(lost[has_both] / wanted[has_both]))
    # n - 1 of n: what a sample of n groups says of the variance among them.
    return float(np.concatenate(ratios).var() * number / (number - 1))
