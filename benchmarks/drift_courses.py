"""Real series as drift is measured on: what is checked when, and changes that are planted into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import nn5
from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.time.frequency import Frequency, TimeAxis

Plant = Callable[[FloatArray, int, int], FloatArray]  # series [T], its first changed step, season length


@dataclass(frozen=True)
class Course:
    """Series of one data set, and the seasons within which they are checked; what lies before is for reference."""

    name: str
    values: FloatArray  # [S T]
    season_length: int
    seasons_per_year: float
    begin: int  # season in which the first model has been trained
    end: int  # season of the last check
    every: int  # seasons between two checks
    max_age: int  # seasons after which a model is trained again whatever happens

    @property
    def num_years(self) -> float:
        """Length of what is checked."""
        return (self.end - self.begin) / self.seasons_per_year

    def panel(self, season: int) -> Panel:
        """Gives what there is at the end of a season."""
        seen = self.values[:, : season * self.season_length]
        ids = [f"s{number}" for number in range(len(seen))]
        starts = np.zeros(len(seen), dtype=np.int64)
        return Panel.from_arrays(ids, starts, list(seen), TimeAxis(Frequency.parse("step")))

    def planted(self, plant: Plant, season: int) -> Course:
        """Gives the same series, all changed from a season on."""
        begin = season * self.season_length
        changed = np.stack([plant(series, begin, self.season_length) for series in self.values])
        return replace(self, values=changed)


def courses(folder: Path) -> dict[str, tuple[Course, Course]]:
    """Gives for each data set what settings are chosen on, and what is reported: other times, or other series."""
    electricity = pd.read_csv(folder / "ETTh1.csv").iloc[:, 1:].to_numpy(np.float64).T
    rates = pd.read_csv(folder / "exchange_rate.csv").to_numpy(np.float64).T
    cash = nn5(folder).pivot_table("y", "unique_id", "ds", dropna=False).to_numpy(np.float64)
    hourly = Course("ETTh1", electricity, 24, 365.25, 120, 363, 7, 84)
    daily = Course("exchange rates", rates, 7, 52.18, 156, 542, 4, 52)
    branches = Course("NN5", cash[::2], 7, 52.18, 56, 112, 2, 26)
    return {
        "etth1": (hourly, replace(hourly, begin=363, end=725)),
        "exchange": (daily, replace(daily, begin=542, end=1083)),
        "nn5": (branches, replace(branches, values=cash[1::2])),
    }


def _level(series: FloatArray, begin: int, season_length: int) -> FloatArray:
    """Raises the level by two standard deviations of the seasonal differences before."""
    return np.concatenate([series[:begin], series[begin:] + 2 * _deviation(series, begin, season_length)])


def _variance(series: FloatArray, begin: int, season_length: int) -> FloatArray:
    """Adds noise, so that the variance of the seasonal differences is twice what it was."""
    noise = np.random.default_rng(begin).normal(0, _deviation(series, begin, season_length) / np.sqrt(2), len(series))
    return np.concatenate([series[:begin], (series + noise)[begin:]])


def _phase(series: FloatArray, begin: int, season_length: int) -> FloatArray:
    """Shifts the season by a quarter of it."""
    shift = max(1, season_length // 4)
    return np.concatenate([series[:begin], series[begin - shift : -shift]])


def _missing(series: FloatArray, begin: int, _: int) -> FloatArray:
    """Takes three values of ten away."""
    is_gone = np.random.default_rng(begin).random(len(series)) < 0.3
    return np.where(is_gone & (np.arange(len(series)) >= begin), np.nan, series)


def _deviation(series: FloatArray, begin: int, season_length: int) -> float:
    before = series[:begin]
    return float(np.nanstd(before[season_length:] - before[:-season_length]))


PLANTS: Mapping[str, Plant] = {"level": _level, "variance": _variance, "phase": _phase, "missing": _missing}
