"""Values that travel between the rooms: frozen, with named axes.

Axis letters: B batch, L context, H horizon, F covariates, Q quantile levels, S series. Missing values are NaN in
tables and panels, and value 0 with observed False in tensors; `Windows.gather` is where one becomes the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.arrays import FloatArray
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes

if TYPE_CHECKING:
    import torch

    Rows = slice | torch.Tensor  # of a batch: a range, or places in any order


@dataclass(frozen=True)
class Masked:
    """Numbers some of which are missing."""

    values: torch.Tensor  # float64, 0 where not observed
    observed: torch.Tensor  # bool, of the same shape

    def to(self, device: torch.device | str) -> Masked:
        """Gives the same numbers on another device."""
        return Masked(self.values.to(device), self.observed.to(device))

    def rows(self, rows: Rows) -> Masked:
        """Gives the numbers of some windows."""
        return Masked(self.values[rows], self.observed[rows])


@dataclass(frozen=True)
class CovariateBatch:
    """What is known beside the target, in the order of `CovariateConfig`; any F may be 0."""

    past: Masked  # [B L F] known up to the cutoff
    known: Masked  # [B L+H F] known ahead of time
    calendar: torch.Tensor  # [B L+H F] float32 in -1 .. 1, made from the timestamps
    static: Masked  # [B F]
    categories: torch.Tensor  # [B F] int64, 0 where missing or not met in training
    elapsed: torch.Tensor | None = None  # [B L+H] float32, mean steps from a step's end to the cutoff; None: not read

    def to(self, device: torch.device | str) -> CovariateBatch:
        """Gives the same covariates on another device."""
        return CovariateBatch(
            self.past.to(device),
            self.known.to(device),
            self.calendar.to(device),
            self.static.to(device),
            self.categories.to(device),
            None if self.elapsed is None else self.elapsed.to(device),
        )

    def rows(self, rows: Rows) -> CovariateBatch:
        """Gives the covariates of some windows."""
        return CovariateBatch(
            self.past.rows(rows),
            self.known.rows(rows),
            self.calendar[rows],
            self.static.rows(rows),
            self.categories[rows],
            None if self.elapsed is None else self.elapsed[rows],
        )


@dataclass(frozen=True)
class WindowBatch:
    """Windows cut out of a panel: a context to look at and the target that followed it."""

    context: torch.Tensor  # [B L] float64, 0 where not observed
    observed: torch.Tensor  # [B L] bool, True where a real value stands
    target: torch.Tensor  # [B H] float64, 0 where not observed
    target_observed: torch.Tensor  # [B H] bool
    covariates: CovariateBatch | None = None  # None where there are none
    groups: torch.Tensor | None = None  # [B] int64, equal where windows of one cutoff may see each other

    def to(self, device: torch.device | str) -> WindowBatch:
        """Gives the same windows on another device."""
        return WindowBatch(
            self.context.to(device),
            self.observed.to(device),
            self.target.to(device),
            self.target_observed.to(device),
            None if self.covariates is None else self.covariates.to(device),
            None if self.groups is None else self.groups.to(device),
        )

    def rows(self, rows: Rows) -> WindowBatch:
        """Gives some of the windows, in this order."""
        return WindowBatch(
            self.context[rows],
            self.observed[rows],
            self.target[rows],
            self.target_observed[rows],
            None if self.covariates is None else self.covariates.rows(rows),
            None if self.groups is None else self.groups[rows],
        )


@dataclass(frozen=True)
class Scale:
    """What was taken off a window and is put back on its forecast: value = loc + spread * scaled.

    Where it bends, value = loc + spread * sinh(scaled); in a window of logarithms, value = loc * exp(spread * scaled).
    """

    loc: torch.Tensor  # [B 1] float64
    spread: torch.Tensor  # [B 1] float64, 0 for a constant context; of the logarithms, where there are
    bends: bool = False
    logarithmic: torch.Tensor | None = None  # [B 1] bool; None: no window is
    is_unit: bool = False  # True: nothing is taken off, whatever the windows hold


@dataclass(frozen=True)
class Forecast:
    """Quantile forecasts of some series, all for the same levels and horizon."""

    series_ids: tuple[str, ...]  # S
    axis: TimeAxis
    starts: NDArray[np.generic]  # [S] stored time of the first forecast step
    levels: tuple[float, ...]  # Q, ascending
    values: FloatArray  # [S H Q], ascending along Q

    @property
    def horizon(self) -> int:
        """Number of steps forecast (H)."""
        return int(self.values.shape[1])

    @cached_property
    def times(self) -> StoredTimes:
        """The stored times [S H] of all steps."""
        return self.axis.frequency.advance(self.starts[:, np.newaxis], np.arange(self.horizon, dtype=np.int64))

    def at(self, levels: tuple[float, ...]) -> Forecast:
        """Gives the same forecast at some of its levels, ascending."""
        places = [self.levels.index(level) for level in levels]
        return Forecast(self.series_ids, self.axis, self.starts, levels, self.values[:, :, places])

    def timestamps(self, position: int) -> pd.Index:
        """Gives the H timestamps (start of the period, in the zone of the data) of one series."""
        return self.axis.show(self.starts[position], self.horizon)

    def to_frame(self, id_column: str = "unique_id", time_column: str = "ds") -> pd.DataFrame:
        """Gives one row per series and step: id, timestamp, then one column per level ('0.1', '0.5', ...)."""
        num_series, horizon, _ = self.values.shape
        stored = self.axis.frequency.advance(
            np.repeat(self.starts, horizon), np.tile(np.arange(horizon, dtype=np.int64), num_series)
        )
        keys = {
            id_column: np.repeat(np.array(self.series_ids, dtype=object), horizon),
            time_column: self.axis.label(stored),
        }
        columns = {level_name(level): self.values[:, :, q].ravel() for q, level in enumerate(self.levels)}
        return pd.DataFrame({**keys, **columns})


def level_name(level: float) -> str:
    """Gives the name of a quantile level in tables and replies: 0.1 -> '0.1', 0.025 -> '0.025'."""
    return repr(float(level))


def percent_name(percent: float) -> str:
    """Gives the name of a central interval in tables and replies: 80.0 -> '80', 99.5 -> '99.5'."""
    return repr(float(percent)).removesuffix(".0")


def ends_of(percent: float) -> tuple[float, float]:
    """Gives the levels that a central interval reaches from and to, rounded to 9 places: 80 -> 0.1 and 0.9."""
    share = percent / 100
    return round((1 - share) / 2, 9), round((1 + share) / 2, 9)
