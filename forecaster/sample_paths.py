"""Sample paths: joint scenarios whose values follow the forecast at each step, and past windows from step to step.

Quantiles say nothing about how one step goes with the next. Rank templates do: where the actuals of held-out windows
stood within their forecasts, step by step. A path takes its level at each step from the ranks that a template has
among those drawn with it (Schaake shuffle, Clark et al. 2004; an empirical copula), and the forecast's quantile
function turns levels into values.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.arrays import FloatArray
from forecaster.quantile_function import probabilities, quantiles_at
from forecaster.support import Support, in_support, kept_within
from forecaster.time.frequency import TimeAxis
from forecaster.types import Forecast

MAX_TEMPLATES = 256

# A window with fewer of its steps observed is no template.
_LEAST_OBSERVED = 0.5


@dataclass(frozen=True)
class SamplePaths:
    """Scenarios of some series: each path is one possible future over all steps."""

    series_ids: tuple[str, ...]  # S
    axis: TimeAxis
    starts: NDArray[np.generic]  # [S] stored time of the first forecast step
    values: FloatArray  # [S num_paths H]

    def to_frame(self, id_column: str = "unique_id", time_column: str = "ds") -> pd.DataFrame:
        """Gives one row per series, path and step: id, number of the path, timestamp and value 'y'."""
        num_series, num_paths, horizon = self.values.shape
        steps = np.tile(np.arange(horizon, dtype=np.int64), num_series * num_paths)
        stored = self.axis.frequency.advance(np.repeat(self.starts, num_paths * horizon), steps)
        columns = {
            id_column: np.repeat(np.array(self.series_ids, dtype=object), num_paths * horizon),
            "path": np.tile(np.repeat(np.arange(num_paths), horizon), num_series),
            time_column: self.axis.label(stored),
            "y": self.values.ravel(),
        }
        return pd.DataFrame(columns)


def rank_templates(quantiles: FloatArray, actual: FloatArray, levels: tuple[float, ...]) -> NDArray[np.float32]:
    """Gives where actual values [W H] stood within their forecasts [W H Q], as probabilities [T H] of T <= 256 windows.

    Windows are taken evenly from those with half of their steps observed (NaN is missing); a missing step takes the
    place of the nearest observed one. Forecasts and actuals may be scaled.
    """
    usable = np.flatnonzero((~np.isnan(actual)).mean(axis=1) >= _LEAST_OBSERVED)
    chosen = usable[np.linspace(0, len(usable) - 1, min(len(usable), MAX_TEMPLATES)).round().astype(np.int64)]
    places = probabilities(quantiles[chosen], levels, actual[chosen])
    return np.asarray(_filled(places), dtype=np.float32)


def draw_paths(
    forecast: Forecast, templates: NDArray[np.float32], num_paths: int, seed: int, support: Support = "any"
) -> SamplePaths:
    """Draws paths of each series from its quantiles and rank templates [T H'], H' >= the horizon of the forecast.

    The same seed gives a series the same paths in any company and for any horizon. At each step the paths lie at
    levels spread evenly over 0..1, one in each part of width 1 / num_paths. Beyond the levels of the forecast the
    tails are those of `quantile_function`: of the logarithms for a step whose values are "positive" and whose quantiles
    are, too. "counts" are rounded, and not below 0.
    """
    values = np.empty((len(forecast.series_ids), num_paths, forecast.horizon))
    for position, series_id in enumerate(forecast.series_ids):
        generator = np.random.default_rng([seed, zlib.crc32(series_id.encode())])
        drawn = dependent_levels(templates, num_paths, generator)[:, : forecast.horizon]
        values[position] = _drawn(forecast.values[position], forecast.levels, drawn.T, support).T
    kept = kept_within(values, values, support)
    return SamplePaths(forecast.series_ids, forecast.axis, forecast.starts, kept)


def _drawn(quantiles: FloatArray, levels: tuple[float, ...], wanted: FloatArray, support: Support) -> FloatArray:
    """Gives values [H num_paths] at the levels wanted [H num_paths] of quantiles [H Q]."""
    return in_support(lambda known: quantiles_at(known, levels, wanted), quantiles, support)


def dependent_levels(templates: NDArray[np.float32], num_paths: int, generator: np.random.Generator) -> FloatArray:
    """Gives levels [num_paths H], uniform at each step and ranked from step to step as drawn templates [T H] are.

    Templates are drawn without repetition until all have been, then again; ties are broken at random.
    """
    rounds = -(-num_paths // len(templates))
    rows = np.concatenate([generator.permutation(len(templates)) for _ in range(rounds)])[:num_paths]
    drawn = templates[rows]
    ranks = np.lexsort((generator.random(drawn.shape), drawn), axis=0).argsort(axis=0)
    return np.asarray((ranks + generator.random(drawn.shape)) / num_paths)


def _filled(places: FloatArray) -> FloatArray:
    """Gives places [T H] with missing steps filled from the nearest observed one, the earlier of two."""
    steps = np.arange(places.shape[1])
    filled = places.copy()
    for row in filled:
        observed = np.flatnonzero(~np.isnan(row))
        row[:] = row[observed[np.abs(steps[:, np.newaxis] - observed).argmin(axis=1)]]
    return filled
