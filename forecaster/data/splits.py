"""Splits: which cutoffs are for training, which for validation and which for the backtest.

All of it is counted back from the end of each series, so series of different lengths and times take part
alike. Nothing is copied: a fold is a list of cutoffs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import IntArray
from forecaster.config import SplitConfig
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, SeriesError


@dataclass(frozen=True)
class Fold:
    """One cutoff for each series that takes part; the `horizon` steps from there on are to be forecast.

    Three folds of one series, with a horizon of 4 and a step of 4 (v visible, t target):

        fold 0  v v v v v v v v t t t t
        fold 1  v v v v v v v v v v v v t t t t
        fold 2  v v v v v v v v v v v v v v v v t t t t
                                                      ^ end of the series, less the steps reserved

    With a gap of 1 the first step of each target (g) is neither seen nor scored, as where values come in late:

        fold 2  v v v v v v v v v v v v v v v v g t t t
    """

    number: int  # 0 is the oldest
    series: IntArray  # [n] positions in the panel of the series that take part, ascending
    cutoffs: IntArray  # [n] visible steps of each
    horizon: int
    gap: int = 0  # steps between the last visible step and the first that is scored, of the horizon
    stretch: int | None = None  # number of the stretch of time that it lies in, of a horizon; None: one of its own

    @property
    def target_ends(self) -> IntArray:
        """[n] step after the last one of each target."""
        return self.cutoffs + self.horizon

    def visible(self, panel: Panel) -> Panel:
        """Gives the panel of what the fold may see: its series up to their cutoffs, and what was known ahead there."""
        return panel.select(self.series).head(self.cutoffs)


def rolling_origin(
    panel: Panel,
    horizon: int,
    num_folds: int,
    step: int | None = None,
    *,
    gap: int = 0,
    reserved_after: int = 0,
    min_context: int | None = None,
) -> tuple[Fold, ...]:
    """Gives `num_folds` folds of a panel, the oldest first.

    The target of the newest fold ends `reserved_after` steps before the end of each series, each older one
    `step` steps (default: the horizon) before the next. Targets are disjoint when step >= horizon. A series
    is left out of a fold that would leave it fewer than `min_context` visible steps (default: horizon + 1,
    the least that a training window with a whole target needs). Of each target the first `gap` steps are not
    scored. Raises SeriesError if some fold is left without a series, ConfigError for numbers outside their range.
    """
    step = horizon if step is None else step
    min_context = horizon + 1 if min_context is None else min_context
    _check_counts(horizon, num_folds, step, reserved_after, min_context)
    if not 0 <= gap < horizon:
        raise ConfigError(
            f"a gap of {gap} steps is outside 0 .. {horizon - 1}: it is taken of the horizon of {horizon}, "
            "and a step has to be left"
        )
    folds = []
    for number in range(num_folds):
        after_cutoff = reserved_after + _span(horizon, num_folds - number, step)
        series = np.flatnonzero(panel.lengths >= min_context + after_cutoff)
        if not len(series):
            raise SeriesError(
                f"the longest series has {panel.lengths.max()} steps, but {min_context + after_cutoff} are needed "
                f"for {num_folds} folds with a horizon of {horizon} and a step of {step}, {min_context} steps before "
                f"them and {reserved_after} after them: give longer series, fewer folds or a shorter horizon",
                code="too-short",
            )
        stretch = min(number, number * step // horizon)
        folds.append(Fold(number, series, panel.lengths[series] - after_cutoff, horizon, gap, stretch))
    return tuple(folds)


@dataclass(frozen=True)
class Split:
    """What of each series is trained on, and the folds that follow it.

    |---- training ----|- validation folds -|- test folds -|
    0             training_ends         seen_ends         end of the series
    """

    training_ends: IntArray  # [S] steps from the start of each series that training may see
    validation: tuple[Fold, ...]
    test: tuple[Fold, ...]  # empty where no test folds are wanted

    @property
    def seen_ends(self) -> IntArray:
        """[S] steps from the start of each series that training or validation sees."""
        ends = self.training_ends.copy()
        for fold in self.validation:
            ends[fold.series] = np.maximum(ends[fold.series], fold.target_ends)
        return ends


def split_panel(panel: Panel, horizon: int, config: SplitConfig) -> Split:
    """Splits each series into training, then validation folds, then test folds, sharing no target step.

    Both kinds of folds come from `rolling_origin`, the validation folds before the span of the test folds. A
    short series gives up its validation folds first, then its older test folds, so that horizon + 1 steps
    remain to train on; one that takes part in no fold is trained on to its very end. Training ends at the
    first cutoff of a series, so what `rolling_origin` gives for up to `num_test_folds` folds of the same
    horizon and step has not been seen. Raises SeriesError if some fold is left without a series.
    """
    step = config.step or horizon
    test_span = _span(horizon, config.num_test_folds, step)
    validation = rolling_origin(panel, horizon, config.num_validation_folds, step, reserved_after=test_span)
    test = rolling_origin(panel, horizon, config.num_test_folds, step)
    training_ends = panel.lengths.copy()
    for fold in (*validation, *test):
        training_ends[fold.series] = np.minimum(training_ends[fold.series], fold.cutoffs)
    return Split(training_ends, validation, test)


def _span(horizon: int, num_folds: int, step: int) -> int:
    """Gives the steps from the oldest cutoff to the end of the newest target."""
    return horizon + (num_folds - 1) * step if num_folds else 0


def _check_counts(horizon: int, num_folds: int, step: int, reserved_after: int, min_context: int) -> None:
    if horizon < 1 or step < 1 or num_folds < 0 or reserved_after < 0 or min_context < 1:
        raise ConfigError(
            f"folds need a horizon, step and min_context of 1 or more and no negative count, got horizon {horizon}, "
            f"step {step}, min_context {min_context}, num_folds {num_folds}, reserved_after {reserved_after}"
        )
