"""Rolling-origin comparison of models and the seasonal naive on the same folds, guarded against leakage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forecaster.baselines import SeasonalNaive
from forecaster.bundle import Bundle
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, rolling_origin, split_panel
from forecaster.errors import ConfigError
from forecaster.evaluation import Evaluation, evaluate
from forecaster.time.grid import StoredTimes
from pipelines.config import PipelineConfig
from pipelines.errors import LeakageError

SEASONAL_NAIVE = "seasonal_naive"


def compare(panel: Panel, config: PipelineConfig, models: Mapping[str, Bundle]) -> dict[str, Evaluation]:
    """Evaluates each model and the seasonal naive on the last folds of the panel, by role.

    The horizon is the shortest of the models'. Raises LeakageError when a model has seen part of a fold.
    """
    horizon = min(bundle.predictor.horizon for bundle in models.values())
    num_folds = config.promotion.num_folds or config.split.num_test_folds
    if num_folds == 0:
        raise ConfigError("there is nothing to compare on: split.num_test_folds is 0 and promotion.num_folds not set")
    folds = rolling_origin(panel, horizon, num_folds, config.split.step)
    for role, bundle in models.items():
        _refuse_leakage(panel, folds, bundle, role)
    levels = _common_levels(models)
    naive = SeasonalNaive(panel.axis.frequency.season_length)
    evaluations = {role: evaluate(bundle.predictor, panel, folds, levels) for role, bundle in models.items()}
    return evaluations | {SEASONAL_NAIVE: evaluate(naive, panel, folds, levels)}


def _common_levels(models: Mapping[str, Bundle]) -> tuple[float, ...]:
    """Gives the levels that every model was trained for, with the median."""
    sets = [set(bundle.predictor.levels) for bundle in models.values()]
    return tuple(sorted(set.intersection(*sets) | {0.5}))


def _refuse_leakage(panel: Panel, folds: Sequence[Fold], bundle: Bundle, role: str) -> None:
    """Refuses folds with a target that the model was trained or validated on.

    On the very data of the training that is known for each series; on other data, a fold must begin after
    the latest timestamp that training saw in any series.
    """
    facts = bundle.manifest.training
    if facts.data_fingerprint == panel.fingerprint():
        seen_ends = split_panel(panel, bundle.config.model.horizon, facts.split).seen_ends
        leaks = [fold for fold in folds if (fold.cutoffs < seen_ends[fold.series]).any()]
    else:
        seen = np.asarray(facts.cutoff).astype(panel.starts.dtype)
        leaks = [fold for fold in folds if (_first_targets(panel, fold) <= seen).any()]
    if leaks:
        raise LeakageError(
            f"the {role} was trained on data up to {facts.cutoff}; fold {leaks[0].number} of {len(folds)} begins "
            "before that. Use fewer folds or newer data"
        )


def _first_targets(panel: Panel, fold: Fold) -> StoredTimes:
    return panel.axis.frequency.advance(panel.starts[fold.series], fold.cutoffs)
