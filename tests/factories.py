"""Small panels for tests: each call builds a new one, and the same arguments build the same one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.time.frequency import Frequency, TimeAxis

START = np.datetime64("2024-01-01T00:00:00", "us")  # a Monday, first of its year


def panel_of(*targets: Sequence[float] | FloatArray, frequency: str = "h", timezone: str | None = None) -> Panel:
    """A panel of the given targets (NaN = missing), named s0, s1, ..., all starting at START (or step 0)."""
    axis = TimeAxis(Frequency.parse(frequency), timezone)
    start = np.int64(0) if axis.frequency.is_step else START
    return Panel.from_arrays(
        series_ids=[f"s{position}" for position in range(len(targets))],
        starts=np.full(len(targets), start),
        targets=[np.asarray(target, dtype=np.float64) for target in targets],
        axis=axis,
    )


def sine_panel(
    num_series: int = 3,
    length: int = 200,
    *,
    period: float = 24.0,
    noise: float = 0.0,
    missing_share: float = 0.0,
    frequency: str = "h",
    timezone: str | None = None,
    seed: int = 0,
) -> Panel:
    """Sines of one period whose levels (10, 20, ...), amplitudes (1, 2, ...) and phases differ by series.

    `noise` is the standard deviation of what is added, `missing_share` the share of values made missing;
    the first value of a series is never missing.
    """
    generator = np.random.default_rng(seed)
    steps = np.arange(length)
    targets = []
    for number in range(1, num_series + 1):
        target = 10.0 * number + number * np.sin(2 * np.pi * (steps / period + number / 7))
        target += noise * generator.standard_normal(length)
        targets.append(_with_gaps(target, missing_share, generator))
    return panel_of(*targets, frequency=frequency, timezone=timezone)


def random_panel(
    generator: np.random.Generator,
    *,
    num_series: int = 5,
    shortest: int = 1,
    longest: int = 60,
    missing_share: float = 0.0,
    frequency: str = "h",
    timezone: str | None = None,
) -> Panel:
    """Normal noise in series of random lengths, `shortest` to `longest` steps, with random gaps."""
    lengths = generator.integers(shortest, longest, num_series, endpoint=True)
    targets = [_with_gaps(generator.standard_normal(length), missing_share, generator) for length in lengths]
    return panel_of(*targets, frequency=frequency, timezone=timezone)


def covariate_panel(
    generator: np.random.Generator,
    *,
    num_series: int = 4,
    longest: int = 30,
    missing_share: float = 0.2,
    most_ahead: int = 6,
    frequency: str = "h",
    timezone: str | None = None,
) -> Panel:
    """A random panel with two covariates of each kind; each series is known 0 to `most_ahead` steps ahead.

    Series start up to 5 steps apart and lie in groups of two. Past: p0 p1, known: k0 k1, static: n0 n1,
    categories: c0 c1 with texts out of A B C, some missing.
    """
    axis = TimeAxis(Frequency.parse(frequency), timezone)
    lengths = generator.integers(1, longest, num_series, endpoint=True)
    reaches = lengths + generator.integers(0, most_ahead, num_series, endpoint=True)

    def numbers(sizes: Sequence[int] | IntArray) -> list[FloatArray]:
        return [_with_gaps(generator.standard_normal(size), missing_share, generator) for size in sizes]

    texts = np.array(["A", "B", "C", None], dtype=object)
    start = np.int64(0) if axis.frequency.is_step else START
    return Panel.from_arrays(
        [f"s{position}" for position in range(num_series)],
        axis.frequency.advance(np.full(num_series, start), generator.integers(0, 5, num_series)),
        numbers(lengths),
        axis,
        covariates=PanelCovariates.from_arrays(
            past={name: numbers(lengths) for name in ("p0", "p1")},
            known={name: numbers(reaches) for name in ("k0", "k1")},
            static={name: numbers([num_series])[0] for name in ("n0", "n1")},
            categories={name: list(texts[generator.integers(0, 4, num_series)]) for name in ("c0", "c1")},
        ),
        groups=np.arange(num_series) // 2,
    )


def _with_gaps(target: FloatArray, missing_share: float, generator: np.random.Generator) -> FloatArray:
    missing = generator.random(len(target)) < missing_share
    missing[0] = False
    return np.where(missing, np.nan, target)
