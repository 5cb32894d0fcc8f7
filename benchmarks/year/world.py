"""The world of the simulated year: hourly series that go on, their break, and what is down when.

    row 0 ............ begin ............ break_row ............ begin + 52 weeks
    history, 51 weeks  26 weeks as they were  26 weeks of a load in three shifts

From the break on each series has a cycle of eight hours on top of what it was, as where a plant goes over to working in
three shifts: a model of before keeps the cycle of a day and misses that of a shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray

HOURS_OF_DAY, DAYS_OF_WEEK, NUM_WEEKS = 24, 7, 52
_HOURS_OF_SHIFT = 8
_SHIFT_SIZE = 1.2  # in standard deviations of the series
_FEWEST_WEEKS_WITH_OUTAGES = 10
_TIME = "ds"


@dataclass(frozen=True)
class World:
    """Series by the hour, and which slots find MLflow or the source of the data down."""

    table: pd.DataFrame  # ds, and one column for each series
    begin: int  # row of the first slot
    num_weeks: int = NUM_WEEKS
    mlflow_down: tuple[int, ...] = ()  # numbers of slots, from 0
    source_down: tuple[int, ...] = ()

    @property
    def break_row(self) -> int:
        """Row at which the regime changes."""
        return self.begin + self.num_weeks // 2 * DAYS_OF_WEEK * HOURS_OF_DAY

    @property
    def num_days(self) -> int:
        """Days of the year."""
        return self.num_weeks * DAYS_OF_WEEK

    @property
    def names(self) -> list[str]:
        """Names of the series."""
        return [str(name) for name in self.table.columns if name != _TIME]

    @property
    def days(self) -> Iterator[int]:
        """Numbers of the days, from 0."""
        return iter(range(self.num_days))

    def row(self, day: int) -> int:
        """Gives the row of the first hour of a day."""
        return self.begin + day * HOURS_OF_DAY

    def now(self, day: int) -> datetime:
        """Gives that hour."""
        moment: datetime = pd.Timestamp(self.table[_TIME].iloc[self.row(day)]).to_pydatetime()
        return moment.replace(tzinfo=UTC)

    def slot(self, day: int) -> int:
        """Gives the number of the weekly slot that a day belongs to."""
        return day // DAYS_OF_WEEK

    def write(self, day: int, weeks: int, path: Path) -> None:
        """Writes what is known when a day begins, of the last weeks, as a wide table."""
        end = self.row(day)
        self.table.iloc[max(0, end - weeks * DAYS_OF_WEEK * HOURS_OF_DAY) : end].to_csv(path, index=False)

    def values(self) -> FloatArray:
        """Gives all values [T S]."""
        return np.asarray(self.table[self.names], dtype=float)


def world(folder: Path, num_weeks: int = NUM_WEEKS) -> World:
    """Gives the last weeks of ETTh1, with all before them as history."""
    table = pd.read_csv(folder / "ETTh1.csv", parse_dates=["date"]).rename(columns={"date": _TIME})
    hours = num_weeks * DAYS_OF_WEEK * HOURS_OF_DAY
    last_monday = int(table.index[(table[_TIME].dt.dayofweek == 0) & (table[_TIME].dt.hour == 0)][-1])
    begin = last_monday - hours
    middle = num_weeks // 2
    down = (num_weeks // 5, middle + num_weeks // 10) if num_weeks >= _FEWEST_WEEKS_WITH_OUTAGES else ()
    source_down = (num_weeks // 3,) if down else ()
    calm = World(table.iloc[:last_monday].reset_index(drop=True), begin, num_weeks, down, source_down)
    return World(_broken(calm), begin, num_weeks, calm.mlflow_down, calm.source_down)


def _broken(calm: World) -> pd.DataFrame:
    """Gives the table with the cycle of shifts from the break on."""
    table, names = calm.table.copy(), calm.names
    hours = table[_TIME].iloc[calm.break_row :].dt.hour.to_numpy()
    cycle = np.sign(np.sin(2 * np.pi * (hours + 0.5) / _HOURS_OF_SHIFT))
    spread = table[names].iloc[: calm.begin].std().to_numpy()
    table.loc[table.index[calm.break_row :], names] += _SHIFT_SIZE * cycle[:, None] * spread
    return table
