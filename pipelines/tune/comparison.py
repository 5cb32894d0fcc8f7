"""The end of a study: the config as it is and the best trial are trained with several seeds, and both are tested."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Run

from forecaster.evaluation import Evaluation, evaluate
from pipelines import tracking
from pipelines.comparison import SEASONAL_NAIVE, compare
from pipelines.config import PipelineConfig
from pipelines.errors import RegistryError
from pipelines.registry import CHALLENGER, Version
from pipelines.report.labels import OWN_ROLE
from pipelines.train import Beside, train
from pipelines.tune import record
from pipelines.tune.record import AS_IT_IS, Record, Trial
from pipelines.tune.trial import Bench, log_facts

DEFAULT, BEST = "default", "best"
_ROLES = ("validation", "test")
_METRICS = ("mase", "smape", "wql")


@dataclass(frozen=True)
class Retraining:
    """One training of the comparison."""

    trial: int
    seed: int
    registers: bool  # the version that comes of it

    def is_done_by(self, run: Run) -> bool:
        """Says whether a finished run is this training."""
        tags = run.data.tags
        same = (int(tags[record.NUMBER_TAG]), int(tags[record.SEED_TAG])) == (self.trial, self.seed)
        return same and (tags[record.STAGE_TAG] == "train" or not self.registers)


@dataclass(frozen=True)
class Comparison:
    """What the trainings came to."""

    scores: Mapping[str, Mapping[str, list[float]]]  # role -> 'validation_mase' ... -> one of each seed
    version: Version  # of the best trial and the first seed

    def means(self) -> dict[str, float]:
        """Gives 'default_test_mase' and so on: the means over the seeds."""
        return {
            f"{role}_{name}": float(np.mean(found))
            for role, figures in self.scores.items()
            for name, found in figures.items()
        }

    def table(self) -> pd.DataFrame:
        """Gives a row for each role: mean and standard deviation over the seeds of each figure."""
        rows = []
        for role, figures in self.scores.items():
            row: dict[str, Any] = {"config": role}
            for name, found in figures.items():
                row |= {
                    name: float(np.mean(found)),
                    f"{name}_sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
                }
            rows.append(row)
        return pd.DataFrame(rows)


def retrain(bench: Bench, known: Record, best: Trial) -> Comparison:
    """Trains what has not been trained yet, and registers the best trial with the first seed as challenger."""
    for wanted in _wanted(bench, best):
        if not any(wanted.is_done_by(run) for run in known.retrainings(bench.config.tune.metric)):
            known.refuse_taken()
            _train(bench, wanted, best)
    return _comparison(bench, known, best)


def take_back(bench: Bench, run_id: str) -> None:
    """Takes a version out of the registry that a killed training has left there; one that is in use by now stays."""
    with tracking.registry_errors():
        for version in bench.client.search_model_versions(f"run_id = '{run_id}'"):
            aliases = bench.client.get_model_version(version.name, version.version).aliases
            if set(aliases) <= {CHALLENGER}:
                bench.client.delete_model_version(version.name, version.version)


def _wanted(bench: Bench, best: Trial) -> Iterator[Retraining]:
    """Yields the trainings: those of the config as it is first, unless that is the best itself."""
    for number in dict.fromkeys((AS_IT_IS, best.number)):
        for place in range(bench.config.tune.num_seeds):
            yield Retraining(number, _seed(bench.config, place), registers=number == best.number and place == 0)


def _seed(config: PipelineConfig, place: int) -> int:
    return config.training.seed + place * config.training.num_members  # members take the seeds between


def _train(bench: Bench, wanted: Retraining, best: Trial) -> None:
    values = {} if wanted.trial == AS_IT_IS else best.values
    config = bench.build({**values, "training.seed": wanted.seed})
    role = DEFAULT if wanted.trial == AS_IT_IS else BEST
    tags = bench.tags(record.RETRAINING_STAGE) | {
        record.ROLE_TAG: role,
        record.NUMBER_TAG: f"{wanted.trial:04}",
        record.SEED_TAG: str(wanted.seed),
        record.VALUES_TAG: json.dumps(values),
    }
    if wanted.registers:
        beside = Beside(tags | {record.STAGE_TAG: "train"})
        training = train(bench.environment, bench.client, config, bench.loaded, start=bench.start, beside=beside)
        _log_found(training.run_id, training.validation, training.test)
        return
    with tracking.run(bench.environment, bench.config.name, f"{role}, seed {wanted.seed}", tags) as run_id:
        tracking.log_config(config)
        result = bench.fit(config, run_id)
        log_facts(result)
        levels = result.validated.levels
        validation = evaluate(result.validated, bench.panel, result.split.validation, levels)
        tested = compare(bench.panel, config, {OWN_ROLE: result}) if config.split.num_test_folds else {}
        _log_found(run_id, validation, tested)


def _log_found(run_id: str, validation: Evaluation, tested: Mapping[str, Evaluation]) -> None:
    """Logs what `_comparison` reads of a training; last that by which `Record.retrainings` knows that it has all."""
    found = {"test": tested[OWN_ROLE], f"test_{SEASONAL_NAIVE}": tested[SEASONAL_NAIVE]} if tested else {}
    found["validation"] = validation
    for prefix, evaluation in found.items():
        record.log_scores(run_id, evaluation.scores, prefix)


def _comparison(bench: Bench, known: Record, best: Trial) -> Comparison:
    runs = known.retrainings(bench.config.tune.metric)
    done = [(wanted, next(run for run in runs if wanted.is_done_by(run))) for wanted in _wanted(bench, best)]
    scores: dict[str, dict[str, list[float]]] = {}
    for wanted, run in done:
        role = scores.setdefault(DEFAULT if wanted.trial == AS_IT_IS else BEST, {})
        for name in (f"{prefix}_{metric}" for prefix in _ROLES for metric in _METRICS):
            if name in run.data.metrics:
                role.setdefault(name, []).append(run.data.metrics[name])
    return Comparison(scores, _version(bench, next(run for wanted, run in done if wanted.registers)))


def _version(bench: Bench, run: Run) -> Version:
    with tracking.registry_errors():
        found = bench.client.search_model_versions(f"run_id = '{run.info.run_id}'")
    if not found:
        raise RegistryError(
            f"the version that run {run.info.run_id} has registered is there no more: delete that run in MLflow, too, "
            "and the same command trains it again",
            code="version-missing",
        )
    return Version(found[0].name, int(found[0].version))
