"""Windows: what a network sees of a panel, addressed without listing them and cut without copying the panel.

A window is the pair (series, cutoff), where the cutoff counts the visible steps of the series:

    step of the series   0 . . . . cutoff - L . . . cutoff - 1 | cutoff . . . cutoff + H - 1
                                   |------- context [L] -------|------- target [H] --------|

Steps before the start of a series or after its end are not observed, and never those of its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.config import CovariateConfig, ModelConfig
from forecaster.data.covariate_windows import CovariateWindows
from forecaster.data.cutting import cut, leading
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, DataError
from forecaster.time.grid import StoredTimes
from forecaster.types import WindowBatch


@dataclass(frozen=True)
class WindowAddresses:
    """Where some windows stand in a panel."""

    series: IntArray  # [B] position of the series in the panel
    cutoffs: IntArray  # [B] visible steps of that series, 0 .. its length

    def __len__(self) -> int:
        return len(self.series)

    def at(self, places: slice | IntArray) -> WindowAddresses:
        """Gives the addresses at some places of the list."""
        return WindowAddresses(self.series[places], self.cutoffs[places])


@dataclass(frozen=True)
class WindowIndex:
    """All windows whose cutoff lies in one range per series, numbered series by series from 0 on.

    It costs memory per series, not per window. A series with `last` below `first` has no window.
    """

    first: IntArray  # [S] lowest cutoff
    last: IntArray  # [S] highest cutoff, included

    @property
    def num_windows(self) -> int:
        """Windows of all series together."""
        return int(self._begins[-1])

    @cached_property
    def counts(self) -> IntArray:
        """[S] windows of each series."""
        return np.asarray(np.maximum(self.last - self.first + 1, 0))

    def thinned(self, most: int) -> WindowAddresses:
        """Gives all windows, or `most` of them evenly spread over their numbers."""
        wanted = min(self.num_windows, most)
        return self.locate(np.linspace(0, self.num_windows - 1, wanted).round().astype(np.int64))

    def locate(self, numbers: IntArray) -> WindowAddresses:
        """Gives the addresses of the windows with these numbers [B], each in 0 .. num_windows - 1.

        Raises DataError for a number outside.
        """
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.num_windows:
            raise DataError(
                f"window numbers {numbers.min()} .. {numbers.max()} are not all in 0 .. {self.num_windows - 1}",
                code="window-out-of-range",
            )
        # side="right" passes over the series that have no window: they begin where the next one does.
        series = np.searchsorted(self._begins, numbers, side="right") - 1
        return WindowAddresses(series, self.first[series] + numbers - self._begins[series])

    @cached_property
    def _begins(self) -> IntArray:
        """[S + 1] number of the first window of each series, then the number of all windows."""
        return np.concatenate([[0], np.cumsum(self.counts)])


def cutoff_times(panel: Panel, addresses: WindowAddresses) -> StoredTimes:
    """Gives the timestamp [B] of the first step that each window does not see."""
    return panel.axis.frequency.advance(panel.starts[addresses.series], addresses.cutoffs)


def training_windows(panel: Panel, horizon: int, ends: IntArray, min_context: int = 1) -> WindowIndex:
    """Gives the windows with `min_context` visible steps or more and a target within the first `ends` [S] steps.

    A series too short for that gives its one window with the most visible steps. One that is used to its very end
    but too short for a whole target gives the windows with at least one target step instead: what lies past its
    end is not observed. Raises DataError where `ends` is negative or longer than the series.
    """
    if min_context < 1:
        raise ConfigError(f"min_context must be 1 or more, got {min_context}")
    lengths = panel.lengths
    wrong = np.flatnonzero((ends < 0) | (ends > lengths))
    if len(wrong):
        raise DataError(
            f"training of series {panel.series_ids[wrong[0]]!r} ends after {ends[wrong[0]]} steps, "
            f"but it has {lengths[wrong[0]]}",
            code="window-out-of-range",
        )
    last = ends - horizon
    partial = (last < 1) & (ends == lengths)
    first = np.where(partial, 1, np.clip(last, 1, min_context))
    return WindowIndex(first, np.where(partial, ends - 1, last))


@dataclass(frozen=True)
class Windows:
    """Cuts windows of one shape out of a panel, with the covariates that a network reads.

    ColumnError where the panel lacks one of them, ConfigError for calendar features it cannot have.
    """

    panel: Panel
    context_length: int  # L
    horizon: int  # H, 0 where no target is wanted
    covariates: CovariateConfig | None = None  # None: none are cut
    covariate_horizon: int | None = None  # steps ahead whose known covariates are cut; None: as many as the horizon
    reads_elapsed: bool = False  # True: the elapsed time of each step is among the covariates

    @classmethod
    def for_model(cls, panel: Panel, model: ModelConfig, *, with_target: bool = True) -> Windows:
        """Gives windows as a model reads them, its context_length being set; without targets, for a forecast."""
        return cls(
            panel,
            model.context_length or 0,
            model.horizon if with_target else 0,
            model.covariates,
            model.horizon,
            model.reads_elapsed,
        )

    def __post_init__(self) -> None:
        if self.context_length < 1 or self.horizon < 0:
            raise ConfigError(
                f"a window needs a context_length of 1 or more and a horizon of 0 or more, "
                f"got {self.context_length} and {self.horizon}"
            )
        if self.covariate_horizon is not None and self.covariate_horizon < 0:
            raise ConfigError(f"covariate_horizon must be 0 or more, got {self.covariate_horizon}")
        _ = self._covariate_windows  # made now, so that what the panel lacks is said now

    def gather(self, addresses: WindowAddresses) -> WindowBatch:
        """Copies the windows at `addresses` [B] into one batch, and nothing else of the panel.

        A missing value (NaN), and a step that the series does not have, becomes 0 with observed False. Groups
        are numbered where series of the panel share one: equal for windows of one group and one cutoff time.
        Raises DataError for a series that the panel does not have, or a cutoff past the end of its series.
        """
        begins, lengths = self._bounds(addresses)
        cutoffs = addresses.cutoffs
        values, now = self.panel.values, begins + cutoffs
        exists = self._exists(cutoffs)
        context, observed = cut(values, now - self.context_length, exists)
        target, target_observed = self._cut_target(now, lengths - cutoffs)
        covariates = self._covariate_windows
        return WindowBatch(
            torch.from_numpy(context),
            torch.from_numpy(observed),
            torch.from_numpy(target),
            torch.from_numpy(target_observed),
            covariates.gather(addresses.series, cutoffs) if covariates is not None else None,
            self._groups(addresses) if self.panel.is_grouped else None,
        )

    def _exists(self, cutoffs: IntArray) -> BoolArray:
        """Says which steps of the contexts [B L] their series has: the last ones, as many as are visible."""
        if (cutoffs >= self.context_length).all():
            return np.ones((len(cutoffs), self.context_length), dtype=np.bool_)
        return ~leading(self.context_length - cutoffs, self.context_length)

    def _cut_target(self, begins: IntArray, left: IntArray) -> tuple[FloatArray, BoolArray]:
        """Gives the targets [B H] from flat positions [B] on, where so many steps [B] are left of the series."""
        if self.horizon == 0:
            return np.empty((len(begins), 0)), np.empty((len(begins), 0), dtype=np.bool_)
        return cut(self.panel.values, begins, leading(left, self.horizon))

    @cached_property
    def _covariate_windows(self) -> CovariateWindows | None:
        if (self.covariates is None or self.covariates.is_empty) and not self.reads_elapsed:
            return None
        config = self.covariates or CovariateConfig()
        ahead = self.horizon if self.covariate_horizon is None else self.covariate_horizon
        return CovariateWindows(self.panel, config, self.context_length, ahead, reads_elapsed=self.reads_elapsed)

    def _groups(self, addresses: WindowAddresses) -> torch.Tensor:
        """Numbers the windows [B] by group and cutoff time."""
        found, numbers = np.unique(cutoff_times(self.panel, addresses), return_inverse=True)
        return torch.from_numpy(self.panel.group_numbers[addresses.series] * len(found) + numbers)

    def _bounds(self, addresses: WindowAddresses) -> tuple[IntArray, IntArray]:
        """Gives the flat position of each series' first step, and its length, both [B]."""
        series, cutoffs, offsets = addresses.series, addresses.cutoffs, self.panel.offsets
        if len(series) and not 0 <= series.min() <= series.max() < len(offsets) - 1:
            raise DataError(
                f"series positions {series.min()} .. {series.max()} are not all in 0 .. {len(offsets) - 2}",
                code="window-out-of-range",
            )
        begins = offsets[series]
        lengths = offsets[series + 1] - begins
        wrong = np.flatnonzero((cutoffs < 0) | (cutoffs > lengths))
        if len(wrong):
            raise DataError(
                f"cutoff {cutoffs[wrong[0]]} of series {self.panel.series_ids[series[wrong[0]]]!r} "
                f"is outside 0 .. {lengths[wrong[0]]}, its length",
                code="window-out-of-range",
            )
        return begins, lengths
