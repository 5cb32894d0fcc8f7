"""`tune`: a study is begun, or gone on with where it was, and ends with the best trial registered as challenger."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow import MlflowClient

from forecaster.errors import ConfigError
from forecaster.training.fit import fit_key
from forecaster.training.start import Start, scratch
from pipelines import tracking
from pipelines.config import Environment, PipelineConfig
from pipelines.errors import TuningError
from pipelines.loading import LoadedPanel
from pipelines.start import refuse_seen_folds
from pipelines.tune import record, report
from pipelines.tune.comparison import Comparison, retrain, take_back
from pipelines.tune.draws import draw, importances
from pipelines.tune.record import Record, State, Trial
from pipelines.tune.trial import Bench, run_trial

log = logging.getLogger("pipelines.tune")

_BUDGET = {"num_trials", "time_limit_seconds", "num_seeds"}
_FREE_OF_START = {"model.dropout"}  # no weight depends on it


@dataclass(frozen=True)
class Tuning:
    """What a study came to."""

    run_id: str
    trials: tuple[Trial, ...]
    best: Trial
    importances: Mapping[str, float]
    comparison: Comparison

    def num_of(self, state: State) -> int:
        """Gives how many trials ended so."""
        return sum(trial.state is state for trial in self.trials)


def tune(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    loaded: LoadedPanel,
    *,
    start: Start | None = None,
) -> Tuning:
    """Tries what `config.tune` says, trains the best again and registers it as challenger; what is done already stays.

    A study is known by its data, its config and its space. Raises ConfigError for a config without a space and for a
    space that the start leaves no room for, TuningError where another process goes on with the same study, and what
    `train` raises.
    """
    start = start or scratch()
    _refuse(config, start)
    refuse_seen_folds(loaded.panel, config, start)
    key = study_key(config, loaded, start)
    bench = Bench(environment, client, config, loaded, start, key)
    with _alone(environment.home / "tune", key):
        parent = record.find_parent(client, config.name, key)
        owner = uuid.uuid4().hex
        tags = bench.tags(record.STUDY_STAGE) | {record.OWNER_TAG: owner}
        with tracking.run(environment, config.name, f"tune {config.name}", tags, again=parent) as run_id:
            known = Record(client, run_id, owner)
            _begin(bench, known)
            trials = _try_all(bench, known)
            best = _best(trials)
            comparison = retrain(bench, known, best)
            tuning = Tuning(run_id, tuple(trials), best, importances(config, trials), comparison)
            _log(bench, tuning)
    return tuning


def study_key(config: PipelineConfig, loaded: LoadedPanel, start: Start) -> str:
    """Gives a name that studies of the same data, config, start and space share: 16 hex digits."""
    space = config.tune.model_dump(mode="json", exclude=_BUDGET)
    identity = json.dumps([fit_key(loaded.panel, config.forecaster, start), space], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _refuse(config: PipelineConfig, start: Start) -> None:
    space = config.tune.space
    if not space:
        raise ConfigError("tune.space is missing: it says which settings are tried, and between which values")
    settled = sorted(name for name in space if name.startswith("model.") and name not in _FREE_OF_START)
    if start.bundle is not None and settled:
        raise ConfigError(f"tune.space: {settled[0]} cannot be tried, the network is that of {config.start.reference}")


@contextmanager
def _alone(folder: Path, key: str) -> Iterator[None]:
    """Holds the study against other processes of this home; the system lets go of it when this one ends, however."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{key}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TuningError(f"another process is at work on the study {key}", code="study-taken") from error
        yield


def _begin(bench: Bench, known: Record) -> None:
    if not known.is_described():
        tracking.log_config(bench.config)
        mlflow.log_dict(bench.config.tune.model_dump(mode="json"), "space.json")
    for run_id in known.end_lost(bench.config.tune.metric):
        shutil.rmtree(bench.folder(run_id), ignore_errors=True)
        take_back(bench, run_id)


def _try_all(bench: Bench, known: Record) -> list[Trial]:
    """Tries what is missing among the config as it is and so many draws, while there is time; gives all trials."""
    tune, begun = bench.config.tune, time.monotonic()
    trials = known.trials(tune.metric)
    _tell("study_begins", study=bench.study, run=known.parent, finished=len(trials), wanted=tune.num_trials)
    done = {trial.number: trial for trial in trials}
    if record.AS_IT_IS in done and done[record.AS_IT_IS].state is State.FAIL:
        raise TuningError(f"the config as it is cannot be trained here: {done[record.AS_IT_IS].reason}")
    for number in range(record.AS_IT_IS, tune.num_trials + 1):
        if number in done:
            continue
        if tune.time_limit_seconds is not None and time.monotonic() - begun > tune.time_limit_seconds and trials:
            _tell("time_is_up", before=record.trial_name(number))
            break
        known.refuse_taken()
        ended = known.trial(run_trial(bench, number, draw(bench.config, trials, number, bench.build)), tune.metric)
        trials = sorted([*trials, ended], key=lambda trial: trial.number)
        score = report.last_score(ended)
        told = None if score is None else round(score, 5)
        _tell("trial_ended", trial=number, state=ended.state.value, score=told, values=ended.values)
    return trials


def _tell(event: str, **fields: object) -> None:
    log.info(event, extra={"fields": fields})


def _best(trials: Sequence[Trial]) -> Trial:
    whole = [(trial.score, trial.number, trial) for trial in trials if trial.score is not None]
    return min(whole, key=lambda ranked: ranked[:2])[2]


def _log(bench: Bench, tuning: Tuning) -> None:
    metric, folder = bench.config.tune.metric, bench.environment.home / "work" / tuning.run_id
    report.log_table(bench.client, tuning.run_id, report.trials_table(tuning.trials, metric), "trials.json")
    report.log_table(bench.client, tuning.run_id, tuning.comparison.table(), "comparison.json")
    mlflow.log_artifact(str(report.draw_history(tuning.trials, metric, tuning.importances, folder / "history.png")))
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.log_text(_settings_file(tuning.best.values), "best.yaml")
    counts = {f"num_{state.value.lower()}": tuning.num_of(state) for state in State}
    shares = {f"importance.{name}": share for name, share in tuning.importances.items()}
    mlflow.log_metrics({**counts, **shares, **tuning.comparison.means()})
    mlflow.set_tags({"best_trial": tuning.best.name, "best_values": json.dumps(tuning.best.values)})


def _settings_file(values: Mapping[str, Any]) -> str:
    """Gives the values as they stand in a config file."""
    tree: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, _, setting = name.partition(".")
        tree.setdefault(group, {})[setting] = value
    return str(yaml.safe_dump(tree, sort_keys=True)) if tree else "# the config as it is\n"


def summary(tuning: Tuning) -> dict[str, Any]:
    """Gives the outcome, JSON-safe."""
    version = tuning.comparison.version
    return {
        "run_id": tuning.run_id,
        "model": version.name,
        "version": version.number,
        "best_trial": tuning.best.number,
        "best_values": dict(tuning.best.values),
        "trials": {state.value.lower(): tuning.num_of(state) for state in State},
        "importances": dict(tuning.importances),
        "scores": {role: dict(figures) for role, figures in tuning.comparison.scores.items()},
    }
