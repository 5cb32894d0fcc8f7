"""The record of a study: the child runs of one parent run in MLflow. There is nothing else of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.metrics import Scores
from pipelines import tracking
from pipelines.errors import TuningError
from pipelines.tracking import registry_errors

STUDY_TAG, OWNER_TAG = "tune_study", "tune_owner"
NUMBER_TAG, SEED_TAG, ROLE_TAG = "tune_trial", "tune_seed", "tune_role"
STATE_TAG, VALUES_TAG, LOST_TAG = "tune_state", "tune_values", "tune_lost"
STAGE_TAG, STUDY_STAGE, TRIAL_STAGE, RETRAINING_STAGE = "stage", "tune", "tune-trial", "tune-retraining"
AS_IT_IS = 0  # number of the trial of the config itself
_MOST_LOST = 3  # attempts at a trial whose process is gone: it may be what ends them
_PAGE = 500


class State(StrEnum):
    """How a trial ended, in Optuna's words."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Trial:
    """A finished trial."""

    number: int
    values: Mapping[str, Any]  # what it has other than the config, by dotted name
    state: State
    score: float | None = None  # on the validation folds, of one that is complete
    course: Mapping[int, float] = field(default_factory=dict)  # optimiser step -> score on the validation folds
    seconds: float = 0.0
    reason: str = ""  # why it failed

    @property
    def name(self) -> str:
        """The name of its run."""
        return trial_name(self.number)


def log_scores(run_id: str, scores: Scores, prefix: str) -> None:
    """Logs totals as PREFIX_mase ..., and curves over the horizon as PREFIX_mase_by_step ..., with step = h, from 1."""
    totals = {f"{prefix}_{name}": value for name, value in scores.as_metrics().items()}
    tracking.log_scores(
        run_id, totals, {f"{prefix}_{name}": curve for name, curve in scores.as_metrics_by_step().items()}
    )


def trial_name(number: int) -> str:
    """Gives the name that the run of a trial has."""
    return f"trial {number:04}" + (" (config as it is)" if number == AS_IT_IS else "")


def course_name(metric: str) -> str:
    """Gives the name of the scores of a trial that is being trained, by optimiser step."""
    return f"validation_{metric}_while_training"


def find_parent(client: MlflowClient, name: str, key: str) -> str | None:
    """Gives the run of a study of that key, None where there is none."""
    with registry_errors():
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return None
        query = f"tags.{STUDY_TAG} = '{key}' and tags.{STAGE_TAG} = '{STUDY_STAGE}'"
        found = client.search_runs([experiment.experiment_id], query, order_by=["attributes.start_time DESC"])
        return str(found[0].info.run_id) if found else None


@dataclass(frozen=True)
class Record:
    """What MLflow holds of one study."""

    client: MlflowClient
    parent: str  # id of its run
    owner: str  # whoever goes on with it at the moment

    def children(self) -> list[Run]:
        """Gives the runs of the study, whatever became of them."""
        with registry_errors():
            experiment = self.client.get_run(self.parent).info.experiment_id
            query, found, token = f"tags.`mlflow.parentRunId` = '{self.parent}'", [], None
            while True:
                page = self.client.search_runs([experiment], query, max_results=_PAGE, page_token=token)
                found += list(page)
                token = page.token
                if not token:
                    return found

    def is_described(self) -> bool:
        """Says whether the run of the study has its settings; what it was broken off by last is no more."""
        with registry_errors():
            run = self.client.get_run(self.parent)
            if "error" in run.data.tags:
                self.client.delete_tag(self.parent, "error")
        return bool(run.data.params)

    def end_lost(self, metric: str) -> list[str]:
        """Ends the runs whose process is gone, which are done again. Gives their ids."""
        lost = [run.info.run_id for run in self.children() if _is_lost(run, metric)]
        with registry_errors():
            for run_id in lost:
                self.client.set_tag(run_id, LOST_TAG, "true")
                self.client.set_tag(run_id, "error", "its process is gone")
                self.client.set_terminated(run_id, "KILLED")
        return lost

    def refuse_taken(self) -> None:
        """Raises TuningError where another process goes on with the study by now."""
        with registry_errors():
            owner = self.client.get_run(self.parent).data.tags.get(OWNER_TAG)
        if owner != self.owner:
            raise TuningError(
                f"another process goes on with the study of run {self.parent}: this one ends", code="study-taken"
            )

    def trials(self, metric: str) -> list[Trial]:
        """Gives the finished trials by number, with those that are given up: they end whatever process does them."""
        runs = [run for run in self.children() if run.data.tags.get(STAGE_TAG) == TRIAL_STAGE]
        done = {int(run.data.tags[NUMBER_TAG]): self._trial(run, metric) for run in runs if _is_finished(run)}
        lost = Counter(int(run.data.tags[NUMBER_TAG]) for run in runs if LOST_TAG in run.data.tags)
        values = {int(run.data.tags[NUMBER_TAG]): json.loads(run.data.tags[VALUES_TAG]) for run in runs}
        for number, times in lost.items():
            if number not in done and times >= _MOST_LOST:
                done[number] = Trial(number, values[number], State.FAIL, reason=f"its process was killed {times} times")
        return [done[number] for number in sorted(done)]

    def trial(self, run_id: str, metric: str) -> Trial:
        """Gives the finished trial of a run."""
        with registry_errors():
            run = self.client.get_run(run_id)
        return self._trial(run, metric)

    def _trial(self, run: Run, metric: str) -> Trial:
        tags = run.data.tags
        with registry_errors():
            history = self.client.get_metric_history(run.info.run_id, course_name(metric))
        return Trial(
            number=int(tags[NUMBER_TAG]),
            values=json.loads(tags[VALUES_TAG]),
            state=State(tags[STATE_TAG]),
            score=run.data.metrics.get(f"validation_{metric}"),
            course={point.step: point.value for point in history},
            seconds=(run.info.end_time - run.info.start_time) / 1000,
            reason=tags.get("error", ""),
        )

    def retrainings(self, metric: str) -> list[Run]:
        """Gives the finished trainings of the comparison at the end, which have their scores."""
        runs = [run for run in self.children() if SEED_TAG in run.data.tags]
        return [run for run in runs if run.info.status == "FINISHED" and _has_scores(run, metric)]


def _is_finished(run: Run) -> bool:
    return run.info.status in ("FINISHED", "FAILED") and STATE_TAG in run.data.tags


def _is_lost(run: Run, metric: str) -> bool:
    """Says whether the process of a run is gone before its end; a training that registers ends before its scores."""
    if run.info.status == "FINISHED" and SEED_TAG in run.data.tags:
        return not _has_scores(run, metric)
    return run.info.status not in ("FINISHED", "FAILED", "KILLED")


def _has_scores(run: Run, metric: str) -> bool:
    return f"validation_{metric}" in run.data.metrics
