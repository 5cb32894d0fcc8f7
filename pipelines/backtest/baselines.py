"""The baselines that a backtest can be asked for, on the folds of the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forecaster.baselines import SeasonalNaive
from forecaster.baselines.statistical import Statistical, StatisticalName
from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold
from forecaster.evaluation import Evaluation, evaluate, evaluate_refitted
from forecaster.training.ridge_baseline import RidgeBaseline
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import BaselineName


@dataclass(frozen=True)
class Course:
    """What all that are compared have to forecast."""

    panel: Panel
    folds: tuple[Fold, ...]
    levels: tuple[float, ...]

    @property
    def season_length(self) -> int:
        """Steps of a season of the panel."""
        return self.panel.axis.frequency.season_length


@dataclass(frozen=True)
class Baselines:
    """What baselines have forecast, by name, and what is to be known of how they did."""

    evaluations: dict[str, Evaluation]
    notes: tuple[str, ...]


def forecast_baselines(course: Course, names: Sequence[BaselineName], model: ModelConfig) -> Baselines:
    """Lets the seasonal naive and the baselines named forecast all folds; the ridge looks as far back as `model`.

    ConfigError where one of them is not installed, before any is run.
    """
    runners = [(name, _runner(name, course, model)) for name in dict.fromkeys(names)]
    naive = SeasonalNaive(course.season_length)
    evaluations = {SEASONAL_NAIVE: evaluate(naive, course.panel, course.folds, course.levels)}
    notes = []
    for name, run in runners:
        evaluations[name], note = run()
        notes.append(note)
    return Baselines(evaluations, tuple(notes))


def _runner(name: BaselineName, course: Course, model: ModelConfig) -> Callable[[], tuple[Evaluation, str]]:
    return _ridge(course, model) if name == "ridge" else _statistical(name, course)


def _statistical(name: StatisticalName, course: Course) -> Callable[[], tuple[Evaluation, str]]:
    baseline = Statistical(name, course.season_length)

    def run() -> tuple[Evaluation, str]:
        found = evaluate(baseline, course.panel, course.folds, course.levels)
        return found, str(baseline)

    return run


def _ridge(course: Course, model: ModelConfig) -> Callable[[], tuple[Evaluation, str]]:
    def run() -> tuple[Evaluation, str]:
        found = evaluate_refitted(RidgeBaseline(model), course.panel, course.folds, course.levels)
        return found, f"ridge: fitted on all {len(course.folds)} folds anew, missing values count as the context's mean"

    return run
