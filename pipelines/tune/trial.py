"""One trial: a config is trained, scored on the validation folds, and given up on the way where it is hopeless."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow import MlflowClient

from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, split_panel
from forecaster.errors import ConfigError, DataError, TrainingError
from forecaster.evaluation import evaluate
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.training.augmentation import check_augmentations
from forecaster.training.callbacks import ReportMetrics, ReportNetwork
from forecaster.training.fit import FitResult, fit, resolve
from forecaster.training.start import Start
from pipelines import tracking
from pipelines.config import Environment, PipelineConfig, with_values
from pipelines.loading import LoadedPanel
from pipelines.tune import record
from pipelines.tune.draws import Draw
from pipelines.tune.record import State

# What a trial may end in without an end of the study: another trial is another matter.
_OWN_FAULTS = (ConfigError, DataError, TrainingError, MemoryError, torch.OutOfMemoryError)
_MOST_WINDOWS = 4096  # that a network is scored on between two stretches of its training


class _Hopeless(Exception):
    """A trial is given up."""


@dataclass(frozen=True)
class Bench:
    """What all trainings of a study have in common."""

    environment: Environment
    client: MlflowClient
    config: PipelineConfig
    loaded: LoadedPanel
    start: Start
    study: str  # its key

    @property
    def panel(self) -> Panel:
        """The data."""
        return self.loaded.panel

    def build(self, values: Mapping[str, Any]) -> PipelineConfig:
        """Gives the config with other values; ConfigError where they do not go together, or not with the data."""
        config = with_values(self.config, values)
        check_augmentations(config.training.augmentations, resolve(self.panel, config.forecaster).model)
        return config

    def tags(self, stage: str) -> dict[str, str]:
        """Gives what every run of the study is marked with."""
        frequency = self.panel.axis.frequency.alias
        return {
            record.STAGE_TAG: stage,
            "model": self.config.name,
            "frequency": frequency,
            record.STUDY_TAG: self.study,
            "data_fingerprint": self.panel.fingerprint(),
        }

    def folder(self, run_id: str) -> Path:
        """Gives the place of a run's checkpoints, which nobody goes on with."""
        return self.environment.home / "checkpoints" / f"tune-{run_id}"

    def fit(self, config: PipelineConfig, run_id: str, callbacks: Sequence[ReportNetwork] = ()) -> FitResult:
        """Trains a config as part of a run, whose curves it logs."""
        folder = self.folder(run_id)
        try:
            return fit(
                self.panel,
                config.forecaster,
                folder,
                start=self.start,
                callbacks=[ReportMetrics(_log_epoch), *callbacks],
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def few_windows(self) -> tuple[Fold, ...]:
        """The validation folds, with so few series, evenly spread, that they are soon forecast."""
        folds = split_panel(self.panel, self.config.model.horizon, self.config.split).validation
        every = math.ceil(sum(len(fold.series) for fold in folds) / _MOST_WINDOWS)
        return tuple(replace(fold, series=fold.series[::every], cutoffs=fold.cutoffs[::every]) for fold in folds)

    def score(self, predictor: Predictor, folds: Sequence[Fold]) -> float:
        """Gives the metric of the study; NaN where nothing could be scored."""
        scores = evaluate(predictor, self.panel, folds, predictor.levels).scores
        return scores.as_metrics().get(self.config.tune.metric, math.nan)


def log_facts(result: FitResult) -> None:
    """Logs what scores do not tell: the best step, and how much of the encoder is believed beside its skip."""
    mlflow.log_metrics({"best_step": result.facts.num_steps, "correction_share": result.facts.correction_share})


def _log_epoch(metrics: Mapping[str, float], step: int) -> None:
    mlflow.log_metrics(dict(metrics), step=step)


def run_trial(bench: Bench, number: int, drawn: Draw) -> str:
    """Trains and scores what was drawn in a run of its own, and gives that. It counts once the run has ended.

    The test folds are no part of it. What the config as it is fails with is raised: nothing could be compared with it.
    """
    tags = bench.tags(record.TRIAL_STAGE) | {
        record.NUMBER_TAG: f"{number:04}",
        record.VALUES_TAG: json.dumps(drawn.values),
    }
    run_id = ""
    try:
        with tracking.run(bench.environment, bench.config.name, record.trial_name(number), tags) as run_id, _state():
            _train_and_score(bench, drawn, run_id)
    except _OWN_FAULTS:
        if number == record.AS_IT_IS:
            raise
    return run_id


def _train_and_score(bench: Bench, drawn: Draw, run_id: str) -> None:
    config = with_values(drawn.config, {"training.calibration": "off", "training.refit": False})
    tracking.log_config(config)
    result = bench.fit(config, run_id, [ReportNetwork(_watch(bench, drawn))])
    scores = evaluate(result.validated, bench.panel, result.split.validation, result.validated.levels).scores
    if bench.config.tune.metric not in scores.as_metrics():
        raise TrainingError("no window of the validation folds could be scored", code="not-finite")
    record.log_scores(run_id, scores, "validation")
    log_facts(result)


def _watch(bench: Bench, drawn: Draw) -> Callable[[Network, int], None]:
    metric = bench.config.tune.metric

    def watch(network: Network, step: int) -> None:
        frequency = bench.panel.axis.frequency
        score = bench.score(Predictor(network, frequency), bench.few_windows)
        mlflow.log_metric(record.course_name(metric), score, step=step)
        if drawn.is_hopeless(score, step):
            raise _Hopeless

    return watch


@contextmanager
def _state() -> Iterator[None]:
    """Marks the run with how the trial ends; one that is given up has ended as it should."""
    state = State.COMPLETE
    try:
        yield
    except _Hopeless:
        state = State.PRUNED
    except _OWN_FAULTS:
        mlflow.set_tag(record.STATE_TAG, State.FAIL)
        raise
    mlflow.set_tag(record.STATE_TAG, state)
