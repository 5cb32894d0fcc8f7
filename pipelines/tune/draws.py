"""What is tried next, and what is not worth going on with: Optuna, asked anew for every trial.

A draw is a function of the settings, the finished trials and the number of the trial: it does not matter which process
has drawn before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from forecaster.errors import ConfigError
from pipelines.config import PipelineConfig, TuneConfig
from pipelines.config.tune.settings import Choice, Dimension, Integer, LogUniform
from pipelines.tune.record import AS_IT_IS, State, Trial

_MOST_REFUSED = 100

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Draw:
    """What one trial tries."""

    values: Mapping[str, Any]  # by dotted name
    config: PipelineConfig
    asked: optuna.Trial | None  # None of the config as it is, which is trained to its end

    def is_hopeless(self, score: float, step: int) -> bool:
        """Says whether the trial, with that score at that optimiser step, is to end."""
        if self.asked is None:
            return False
        self.asked.report(score, step)
        return bool(self.asked.should_prune())


def draw(
    config: PipelineConfig,
    finished: Sequence[Trial],
    number: int,
    build: Callable[[Mapping[str, Any]], PipelineConfig],
) -> Draw:
    """Draws the values of a trial, of which `build` makes its config.

    What `build` refuses with a ConfigError is drawn anew. Raises ConfigError where it refuses all that is drawn.
    """
    if number == AS_IT_IS:
        return Draw({}, build({}), None)
    tune = config.tune
    study = study_of(config, finished)
    study.sampler = TPESampler(seed=int(np.random.SeedSequence([tune.seed, number]).generate_state(1)[0]))
    refusal: ConfigError | None = None
    for _ in range(_MOST_REFUSED):
        asked = study.ask(_distributions(tune.space))
        values = {name: _plain(tune.space[name], value) for name, value in asked.params.items()}
        try:
            return Draw(values, build(values), asked)
        except ConfigError as error:
            refusal = error
            study.tell(asked, state=TrialState.FAIL)
    raise ConfigError(
        f"tune.space: of {_MOST_REFUSED} draws the config refuses all, the last one because: {refusal}"
    ) from refusal


def study_of(config: PipelineConfig, finished: Sequence[Trial]) -> optuna.Study:
    """Gives the study as Optuna sees it; a trial that its space does not hold is not part of it."""
    study = optuna.create_study(direction="minimize", pruner=_pruner(config.tune))
    own = _values_of(config)
    known = (_frozen(config.tune, trial, own if trial.number == AS_IT_IS else trial.values) for trial in finished)
    study.add_trials([trial for trial in known if trial is not None])
    return study


def _values_of(config: PipelineConfig) -> dict[str, Any]:
    """Gives what the config itself says of the settings that are tried."""
    tree = config.model_dump(mode="json", include={name.split(".")[0] for name in config.tune.space})
    return {name: tree[name.split(".")[0]][name.split(".", 1)[1]] for name in config.tune.space}


def _frozen(tune: TuneConfig, trial: Trial, values: Mapping[str, Any]) -> FrozenTrial | None:
    distributions = _distributions(tune.space)
    params = {name: _param(tune.space[name], values[name]) for name in distributions if name in values}
    if len(params) < len(distributions) or not all(_holds(distributions[name], params[name]) for name in params):
        return None
    course = dict(trial.course)
    if trial.state is State.PRUNED and not course:
        return None  # nothing is known of it
    value = course[max(course)] if trial.state is State.PRUNED else trial.score
    return create_trial(
        state=TrialState[trial.state.value],
        value=None if trial.state is State.FAIL else value,
        params=params,
        distributions=distributions,
        intermediate_values=course,
    )


def _holds(distribution: BaseDistribution, param: Any) -> bool:
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return isinstance(param, int | float) and distribution.low <= param <= distribution.high
    return isinstance(distribution, CategoricalDistribution) and param in distribution.choices


def _distributions(space: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    return {name: _distribution(dimension) for name, dimension in sorted(space.items())}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution([_param(dimension, value) for value in dimension.values])
    if isinstance(dimension, Integer):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=isinstance(dimension, LogUniform))


def _param(dimension: Dimension, value: Any) -> Any:
    """Gives a value as Optuna holds it, which knows no lists among its choices."""
    return json.dumps(value) if isinstance(dimension, Choice) else value


def _plain(dimension: Dimension, param: Any) -> Any:
    return json.loads(param) if isinstance(dimension, Choice) else param


def _pruner(tune: TuneConfig) -> BasePruner:
    if tune.pruning == "off":
        return NopPruner()
    return MedianPruner(n_startup_trials=tune.num_unpruned_trials, n_warmup_steps=tune.num_unpruned_steps)


def importances(config: PipelineConfig, finished: Sequence[Trial]) -> dict[str, float]:
    """Gives what share each setting has in how the scores of whole trials differ (fANOVA), the largest first.

    Empty where fewer than two trials are whole, or where they do not differ.
    """
    study = study_of(config, finished)
    whole = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    scores = {trial.value for trial in whole}
    if len(whole) < 2 or len(scores) < 2 or not all(value is not None and math.isfinite(value) for value in scores):
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=config.tune.seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
