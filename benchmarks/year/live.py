"""What was forecast in the year, day by day at midnight, and how that turned out; with the ledger that hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from benchmarks.year.world import HOURS_OF_DAY, World
from forecaster.arrays import FloatArray, IntArray
from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.records import Given, GivenSeries, Observed
from forecaster.predictor import Predictor

LEVELS = (0.1, 0.5, 0.9)
_HISTORY_DAYS = 14


class Live:
    """The year as a panel, and forecasts of its days."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.panel: Panel = read_panel(world.table, TableConfig(layout="wide")).panel
        values = world.values()[: world.begin]
        season = np.abs(values[HOURS_OF_DAY:] - values[:-HOURS_OF_DAY]).mean(axis=0)
        self._scales = season[self._places()]  # [S], of the history: one yardstick for the whole year

    def forecasts(self, predictor: Predictor, days: Sequence[int]) -> FloatArray:
        """Gives the quantiles [D S H Q] of days, each from what was known at its beginning."""
        num_series = len(self.panel)
        series = np.tile(np.arange(num_series), len(days))
        cutoffs = np.repeat([self.world.row(day) for day in days], num_series)
        found = predictor.forecast_windows(self.panel, series, cutoffs, HOURS_OF_DAY, LEVELS)
        return np.asarray(found.reshape(len(days), num_series, HOURS_OF_DAY, len(LEVELS)))

    def mase(self, predictor: Predictor) -> FloatArray:
        """Gives the MASE of each day of the year [D], over the series."""
        median = self.forecasts(predictor, list(self.world.days))[..., LEVELS.index(0.5)]
        error = np.abs(self._actuals(list(self.world.days)) - median).mean(axis=2)
        return np.asarray((error / self._scales).mean(axis=1))

    def naive_mase(self) -> FloatArray:
        """Gives that of the day before, said again."""
        days = list(self.world.days)
        error = np.abs(self._actuals(days) - self._actuals([day - 1 for day in days])).mean(axis=2)
        return np.asarray((error / self._scales).mean(axis=1))

    def tell(self, ledger: Ledger, model: str, version: int, predictor: Predictor, days: Sequence[int]) -> None:
        """Writes forecasts of days into the ledger, as given by a version when each began, and what then happened."""
        actuals = self._actuals(days)
        given, observed = [], []
        for day, quantiles, actual in zip(days, self.forecasts(predictor, days), actuals, strict=True):
            row = self.world.row(day)
            times = self._times(row, row + HOURS_OF_DAY)
            history = slice(row - _HISTORY_DAYS * HOURS_OF_DAY, row)
            own = tuple(
                GivenSeries(name, "", times, quantiles[place], self.panel.target(place)[history])
                for place, name in enumerate(self.panel.series_ids)
            )
            given.append(_given(model, version, day, _microseconds(self.world.now(day)), own))
            received = _microseconds(self.world.now(day)) + 1
            observed += [
                Observed(model, name, received, times, actual[place])
                for place, name in enumerate(self.panel.series_ids)
            ]
        ledger.add(given, observed)

    def _places(self) -> IntArray:
        """Gives the column of each series of the panel."""
        return np.array([self.world.names.index(name) for name in self.panel.series_ids])

    def _actuals(self, days: Sequence[int]) -> FloatArray:
        """Gives what happened [D S H]."""
        targets = [self.panel.target(place) for place in range(len(self.panel))]
        rows = [self.world.row(day) for day in days]
        return np.array([[target[row : row + HOURS_OF_DAY] for target in targets] for row in rows])

    def _times(self, begin: int, end: int) -> IntArray:
        moments = pd.DatetimeIndex(self.world.table["ds"].iloc[begin:end])
        return np.asarray(moments.as_unit("us").asi8)


def _given(model: str, version: int, day: int, created: int, series: tuple[GivenSeries, ...]) -> Given:
    return Given(
        f"{model}-{version}-{day}",
        created=created,
        model=model,
        version=str(version),
        digest="",
        generation=version,
        season_length=HOURS_OF_DAY,
        levels=LEVELS,
        series=series,
        media_type="application/json",
        reply=b"{}",
        request=b"{}",
    )


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
