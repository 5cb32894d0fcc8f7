"""Rolling-origin comparison of models and the seasonal naive on the same folds, guarded against leakage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from forecaster.baselines import SeasonalNaive
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.errors import ConfigError
from forecaster.evaluation import Evaluation, evaluate, on_common_windows
from forecaster.leakage import unseen_folds
from forecaster.manifest import TrainingFacts
from forecaster.predictor import Predictor
from pipelines.config import PipelineConfig

SEASONAL_NAIVE = "seasonal_naive"


class Trained(Protocol):
    """A model that knows what it has seen: a bundle, or what training has just given."""

    @property
    def predictor(self) -> Predictor:
        """What forecasts."""
        ...

    @property
    def facts(self) -> TrainingFacts:
        """What it was trained on."""
        ...


def compare(panel: Panel, config: PipelineConfig, models: Mapping[str, Trained]) -> dict[str, Evaluation]:
    """Evaluates each model and the seasonal naive on the last folds of the panel, by role.

    The horizon is the shortest of the models'. A series is left out of folds that one of the models has seen of it;
    raises LeakageError where that leaves a fold empty. A window that one of them cannot forecast counts for none.
    """
    folds = rolling_origin(panel, shortest_horizon(models), checked_num_folds(config.num_folds), config.split.step)
    for model in models.values():
        folds = unseen_folds(panel, folds, model.facts)
    levels = common_levels(models)
    naive = SeasonalNaive(panel.axis.frequency.season_length)
    evaluations = {role: evaluate(model.predictor, panel, folds, levels) for role, model in models.items()}
    return on_common_windows(evaluations | {SEASONAL_NAIVE: evaluate(naive, panel, folds, levels)}, panel)


def checked_num_folds(num_folds: int) -> int:
    """Gives the number of folds; ConfigError for none."""
    if num_folds == 0:
        raise ConfigError("there is nothing to compare on: split.num_test_folds is 0 and promotion.num_folds not set")
    return num_folds


def shortest_horizon(models: Mapping[str, Trained]) -> int:
    """Gives how far all models can forecast, in steps."""
    return min(model.predictor.horizon for model in models.values())


def common_levels(models: Mapping[str, Trained]) -> tuple[float, ...]:
    """Gives the levels that every model was trained for, with the median."""
    sets = [set(model.predictor.levels) for model in models.values()]
    return tuple(sorted(set.intersection(*sets) | {0.5}))
