"""The guard against leakage: no model is scored on what it was trained or validated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecaster.arrays import BoolArray, IntArray
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, split_panel
from forecaster.errors import LeakageError
from forecaster.manifest import TrainingFacts
from forecaster.time.frequency import frequency_mismatch


def unseen_folds(panel: Panel, folds: Sequence[Fold], facts: TrainingFacts) -> tuple[Fold, ...]:
    """Gives the folds without the series whose target in them a model of these facts has seen.

    On the very series of the training, in the same order, that is known for each. On other data, some of its series
    among them, a target must begin after the latest time that training saw: in the series that
    it kept test folds of, or in any for those it used up.
    Raises LeakageError where a fold is left without a series, or where times cannot be compared because the
    panel has another time zone; FrequencyError for another frequency. Of made-up series nothing can leak.
    """
    if facts.is_synthetic:
        return tuple(folds)
    _check_axis(panel, facts)
    ends = split_panel(panel, facts.horizon, facts.split).seen_ends if _are_of(panel, facts) else None
    return tuple(_unseen(panel, fold, facts, ends) for fold in folds)


def seen_ends(panel: Panel, facts: TrainingFacts) -> IntArray:
    """Gives the steps [S] from the start of each series that a model of these facts has seen, as far as that is known.

    On other data than that of the training all that is no later than what it has seen of any series of that kind counts
    as seen. Raises what `unseen_folds` raises for another time zone or frequency.
    """
    if facts.is_synthetic:
        return np.zeros(len(panel), dtype=np.int64)
    _check_axis(panel, facts)
    if _are_of(panel, facts):
        return split_panel(panel, facts.horizon, facts.split).seen_ends
    cutoff, latest = (np.asarray(text).astype(panel.axis.dtype) for text in (facts.cutoff, facts.latest))
    used_up = set(facts.used_up)
    ends = [
        np.searchsorted(panel.axis.frequency.range(start, length), latest if name in used_up else cutoff, side="right")
        for name, start, length in zip(panel.series_ids, panel.starts, panel.lengths.tolist(), strict=True)
    ]
    return np.array(ends, dtype=np.int64)


def _are_of(panel: Panel, facts: TrainingFacts) -> bool:
    """Says whether these are the very series of the training, whatever is known beside them here and was there."""
    known = facts.target_fingerprint or facts.data_fingerprint  # the same where there were no covariates
    return facts.data_fingerprint == panel.fingerprint() or known == panel.target_fingerprint()


def _check_axis(panel: Panel, facts: TrainingFacts) -> None:
    axis = panel.axis
    if axis.frequency.alias != facts.frequency:
        raise frequency_mismatch(axis.frequency.alias, facts.frequency)
    if axis.timezone != facts.timezone:
        raise LeakageError(
            f"the data has time zone {axis.timezone}, the model was trained on {facts.timezone}: what it has seen "
            "cannot be told from that"
        )


def _unseen(panel: Panel, fold: Fold, facts: TrainingFacts, ends: IntArray | None) -> Fold:
    clean = _begins_later(panel, fold, facts) if ends is None else fold.cutoffs >= ends[fold.series]
    if not clean.any():
        raise LeakageError(
            f"the model was trained on data up to {facts.latest}; fold {fold.number} begins before that in every "
            "series. Use fewer folds or newer data"
        )
    return replace(fold, series=fold.series[clean], cutoffs=fold.cutoffs[clean])


def _begins_later(panel: Panel, fold: Fold, facts: TrainingFacts) -> BoolArray:
    """Says for each series of the fold whether its target begins after the latest time that training saw."""
    begins = panel.axis.frequency.advance(panel.starts[fold.series], fold.cutoffs)
    cutoff, latest = (np.asarray(text).astype(begins.dtype) for text in (facts.cutoff, facts.latest))
    used_up = set(facts.used_up)
    is_used_up = np.array([panel.series_ids[position] in used_up for position in fold.series], dtype=bool)
    return np.asarray(begins > np.where(is_used_up, latest, cutoff))
