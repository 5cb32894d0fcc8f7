"""How far a series has departed from its reference, measured by how far stretches of the reference depart from others.

The newest stretch is compared with the end of the reference. So is, inside the reference, each stretch of the same
length with what lies as long before it:

    |----------------- reference -----------------|--- since ---|
                                     |-- before --|      |recent|     the newest stretch
           |-- before --|      |recent|                               one of the others: what is usual

What a difference is worth is thus told by the series itself. A trend, a random walk, a volatile series all differ from
stretch to stretch, and did so when the model was trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.drift.seasons import Seasons, Stretches

_STRETCHES_BEFORE = 2  # length of what is compared with, in stretches
_FEWEST_STRETCHES = 8  # that the reference has to hold
_MOST_PLACES = 64  # that are looked at, in the reference and since
# Differences that would not matter even in a series that never differs: level, spread, shape, missing, distribution.
_NEGLIGIBLE = np.array([0.05, 0.05, 0.05, 0.02, 0.01])


@dataclass(frozen=True)
class Departures:
    """The stretches since the reference, the newest last, and how far those inside of it depart.

    A departure is the largest of the differences, each in multiples of the root of its mean square inside the
    reference: around 1 is usual.
    """

    season_length: int
    num_seasons: int  # of a stretch
    ends: IntArray  # [n] step after the last one of each stretch
    differences: FloatArray  # [n K] by measure, with their sign
    multiples: FloatArray  # [n K] of the usual
    within: FloatArray  # [P] departures of stretches inside the reference, each by what is usual in the rest of it

    @property
    def sizes(self) -> FloatArray:
        """[n] departures."""
        return _largest(self.multiples)


def departures(target: FloatArray, reference_end: int, season_length: int, recent_seasons: int) -> Departures | None:
    """Tells how far a series [T] has departed since its first `reference_end` steps, which are the reference.

    A stretch has `recent_seasons`, or as many as there are since, or an eighth of the reference. None where that is
    less than one, and where nothing of the reference is observed.
    """
    if np.isnan(target[:reference_end]).all():
        return None
    seasons = Seasons.of(target, reference_end, season_length)
    length = min(recent_seasons, seasons.number - seasons.first_after, seasons.num_reference // _FEWEST_STRETCHES)
    if length < 1:
        return None
    before = _STRETCHES_BEFORE * length
    gap = _gap(seasons, length, before)
    inside = _spaced(before + gap + length, seasons.num_reference)
    usual = np.abs(seasons.differences(_stretches(inside - length - gap, before), _stretches(inside, length)))
    since = _spaced(seasons.first_after + length, seasons.number)
    reference = np.full(len(since), seasons.num_reference)
    found = seasons.differences(_stretches(reference, before), _stretches(since, length))
    everywhere = np.ones((1, len(inside)), dtype=bool)
    apart = np.abs(inside[:, None] - inside) >= length  # stretches that overlap say the same
    return Departures(
        season_length,
        length,
        np.array([seasons.step(end) for end in since.tolist()]),
        found,
        np.abs(found) / _usual(usual, everywhere),
        _largest(usual / _usual(usual, apart)),
    )


def _gap(seasons: Seasons, length: int, before: int) -> int:
    """Gives the seasons between both stretches: those since the reference, but half of it is left to vary them."""
    wanted = seasons.number - length - seasons.num_reference
    return min(wanted, (seasons.num_reference - before - length) // 2)


def _spaced(first: int, last: int) -> IntArray:
    """Gives seasons from `first` to `last`, which is among them, evenly spaced, not too many."""
    step = -(-(last - first + 1) // _MOST_PLACES)
    return np.arange(last, first - 1, -step)[::-1]


def _stretches(ends: IntArray, length: int) -> Stretches:
    return Stretches(ends - length, ends)


def _usual(differences: FloatArray, counted: BoolArray) -> FloatArray:
    """Gives the root mean square [n K] of those of the differences [P K] that count [n P], at least the negligible."""
    seen = ~np.isnan(differences)
    total, number = counted @ np.where(seen, differences, 0.0) ** 2, counted @ seen.astype(np.float64)
    mean = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    return np.asarray(np.maximum(np.sqrt(mean), _NEGLIGIBLE))


def _largest(multiples: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isnan(multiples), 0.0, multiples).max(axis=1))
