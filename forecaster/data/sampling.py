"""Random batches of windows, as a pure function of (seed, step).

A resumed run therefore needs no stored state. Series begin with an observed value, so a context or target without
one lies in a gap longer than it is; such windows are drawn too, and weigh nothing in a loss over observed targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.companies import Companies
from forecaster.data.windows import WindowAddresses, WindowIndex
from forecaster.errors import SeriesError


@dataclass(frozen=True)
class WindowWeights:
    """How often windows are drawn; by default each one of an index equally often."""

    series_alike: bool = False  # True: every series with a window equally often, however many it has
    half_life: int | None = None  # steps back from the last window of a series that halve the weight of a window


EVEN_WEIGHTS = WindowWeights()


class Sampler(Protocol):
    """Draws the windows of a step."""

    def addresses(self, step: int) -> WindowAddresses:
        """Gives the windows of one step (0 or more), the same ones at every call."""
        ...


class WindowSampler:
    """Random windows of an index, each place of the batch on its own; SeriesError where there is no window."""

    def __init__(self, index: WindowIndex, batch_size: int, seed: int, weights: WindowWeights = EVEN_WEIGHTS) -> None:
        if index.num_windows == 0:
            raise SeriesError("there is no window to draw: every series is too short", code="too-short")
        self._index = index
        self._batch_size = batch_size
        self._seed = seed
        self._weights = weights
        self._shares = None if weights == EVEN_WEIGHTS else _series_shares(index, weights)

    def addresses(self, step: int) -> WindowAddresses:
        """Gives the windows of one step (0 or more), the same ones at every call."""
        generator = np.random.default_rng([self._seed, step])
        if self._shares is None:
            return self._index.locate(generator.integers(0, self._index.num_windows, self._batch_size))
        # side="right" passes over the series that have no window: their share ends where it begins.
        series = np.searchsorted(self._shares, generator.random(self._batch_size), side="right")
        ages = _ages(self._index.counts[series], self._weights.half_life, generator.random(self._batch_size))
        return WindowAddresses(series, self._index.last[series] - ages)


class GroupSampler:
    """The windows of a sampler, each with those of all series of its group at the same timestamp.

    A batch therefore has more windows than the sampler draws; one that is met twice is in it once.
    """

    def __init__(self, sampler: WindowSampler, companies: Companies) -> None:
        self._sampler = sampler
        self._companies = companies

    def addresses(self, step: int) -> WindowAddresses:
        """Gives the windows of one step (0 or more), the same ones at every call, those of a group side by side."""
        return self._companies.completed(self._sampler.addresses(step))


def _series_shares(index: WindowIndex, weights: WindowWeights) -> FloatArray:
    """Gives how likely the first series, the first two, ... are drawn [S], ascending to 1."""
    counts = index.counts
    shares = (counts > 0).astype(np.float64) if weights.series_alike else _totals(counts, weights.half_life)
    cumulative = np.cumsum(shares)
    # Divided by itself the last is exactly 1, so a draw below 1 never falls past the last series with a window.
    return np.asarray(cumulative / cumulative[-1])


def _totals(counts: IntArray, half_life: int | None) -> FloatArray:
    """Gives the weight of all windows of each series [S]: the newest weighs 1, one a half-life older 1/2."""
    if half_life is None:
        return counts.astype(np.float64)
    return np.asarray(np.expm1(-counts * (np.log(2) / half_life)) / np.expm1(-np.log(2) / half_life))


def _ages(counts: IntArray, half_life: int | None, uniform: FloatArray) -> IntArray:
    """Gives how many steps before the last window of its series each drawn one lies [B], 0 .. count - 1.

    Inverts the distribution function (1 - r^(age + 1)) / (1 - r^count), with r the weight lost per step.
    """
    if half_life is None:
        ages = uniform * counts
    else:
        rate = np.log(2) / half_life
        ages = -np.log1p(uniform * np.expm1(-counts * rate)) / rate
    return np.minimum(ages.astype(np.int64), counts - 1)
