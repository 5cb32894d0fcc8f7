"""A backtest: a version, the champion and baselines on the same folds, and how certain their differences are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from forecaster.comparison import Gain, gain
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, rolling_origin
from forecaster.errors import LeakageError
from forecaster.evaluation import Evaluation, FoldFitter, evaluate, evaluate_refitted, on_common_windows
from forecaster.leakage import unseen_folds
from pipelines.backtest.baselines import Course, forecast_baselines
from pipelines.comparison import Trained, checked_num_folds, common_levels, shortest_horizon
from pipelines.config import PipelineConfig

MODEL, CHAMPION = "model", "champion"
CONFIDENCE = 0.95  # that a difference is not below the lower end of its interval, nor above the upper one


@dataclass(frozen=True)
class Backtest:
    """What a backtest has found: each role on the same windows, 'model' first, then 'champion', then baselines."""

    panel: Panel
    folds: tuple[Fold, ...]
    evaluations: dict[str, Evaluation]
    notes: tuple[str, ...]  # what is to be known of how they were made comparable, a sentence each

    @cached_property
    def gains(self) -> dict[str, dict[str, Gain | None]]:
        """By how much the model's loss is below that of each other role: {'ridge': {'mase': ..., 'scaled_crps': ...}}.

        None where nothing could be compared.
        """
        return {role: self._gains(found) for role, found in self.evaluations.items() if role != MODEL}

    def _gains(self, other: Evaluation) -> dict[str, Gain | None]:
        ours = self.evaluations[MODEL]
        losses = {
            "mase": (ours.scores.mase_by_window, other.scores.mase_by_window),
            "scaled_crps": (ours.scores.scaled_crps_by_window, other.scores.scaled_crps_by_window),
        }
        return {
            name: gain(mine, theirs, ours.series, ours.stretch, CONFIDENCE) for name, (mine, theirs) in losses.items()
        }


def backtest(
    panel: Panel,
    config: PipelineConfig,
    models: Mapping[str, Trained],
    refits: Mapping[str, FoldFitter] | None = None,
) -> Backtest:
    """Evaluates models and the baselines of `config.backtest` on the last folds of the panel.

    `models` has a 'model', and perhaps a 'champion'. The horizon is the shortest of theirs. With `refits`, one for
    each model, what forecasts a fold was trained on what that may see; without, a series is left out of folds that
    one of the models has seen of it, and LeakageError is raised where that leaves a fold empty. A window that one of
    all cannot forecast counts for none.
    """
    folds = _folds(panel, config, models)
    if refits is None:
        folds = _unseen(panel, folds, models)
    course = Course(panel, folds, common_levels(models))
    shape = models[MODEL].predictor.network.config.model_copy(update={"horizon": folds[0].horizon})
    baselines = forecast_baselines(course, config.backtest.baselines, shape)
    if refits is None:
        forecast = {role: evaluate(model.predictor, panel, folds, course.levels) for role, model in models.items()}
    else:
        forecast = {role: evaluate_refitted(refits[role], panel, folds, course.levels) for role in models}
    evaluations = on_common_windows(forecast | baselines.evaluations, panel)
    return Backtest(panel, folds, evaluations, baselines.notes)


def _folds(panel: Panel, config: PipelineConfig, models: Mapping[str, Trained]) -> tuple[Fold, ...]:
    plan = config.backtest
    num_folds = checked_num_folds(plan.num_folds or config.num_folds)
    return rolling_origin(panel, shortest_horizon(models), num_folds, plan.step or config.split.step, gap=plan.gap)


def _unseen(panel: Panel, folds: tuple[Fold, ...], models: Mapping[str, Trained]) -> tuple[Fold, ...]:
    for role, model in models.items():
        try:
            folds = unseen_folds(panel, folds, model.facts)
        except LeakageError as error:
            raise LeakageError(f"{role}: {error}, or train it again for each fold (--refit)") from error
    return folds
