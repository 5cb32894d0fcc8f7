"""A backtest of a registered version, and the MLflow run that keeps what it found."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from forecaster.bundle import Bundle
from forecaster.comparison import Gain
from pipelines import registry
from pipelines.backtest.backtest import CHAMPION, MODEL, Backtest, backtest
from pipelines.backtest.refit import Refit, refit_of
from pipelines.backtest.tables import step_table
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import load_for
from pipelines.registry import Version
from pipelines.report.compared import Compared
from pipelines.report.evaluations import Reported, families_of, log_evaluations
from pipelines.report.labels import labels_of
from pipelines.tracking import log_dataset, run

STEPS_FILE = "steps.parquet"


@dataclass(frozen=True)
class Tested:
    """The versions of a backtest by role: 'model', and 'champion' where that is another one."""

    versions: dict[str, Version]
    bundles: dict[str, Bundle]


@dataclass(frozen=True)
class Recorded:
    """A backtest, whose it is, and the run that keeps it."""

    run_id: str
    tested: Tested
    found: Backtest

    @property
    def version(self) -> Version:
        """The version that the backtest is about."""
        return self.tested.versions[MODEL]


def find_tested(environment: Environment, client: MlflowClient, reference: str, *, beside_champion: bool) -> Tested:
    """Loads the version that a reference means, and on request the champion of that model, if it is another one."""
    version = registry.find(client, reference)
    versions = {MODEL: version}
    champion = registry.find_alias(client, version.name, registry.CHAMPION) if beside_champion else None
    if champion not in (None, version):
        versions[CHAMPION] = champion
    return Tested(versions, {role: registry.load(each, environment.verifying_keys) for role, each in versions.items()})


def record_backtest(environment: Environment, client: MlflowClient, config: PipelineConfig, tested: Tested) -> Recorded:
    """Backtests versions as `config.backtest` says, in a run with gains, notes and the table of all steps.

    Scores are logged as `log_evaluations` does. The table is the artifact STEPS_FILE, as `step_table` describes it.
    """
    panel = load_for(list(tested.bundles.values()), config.source, config.table).panel
    labels = labels_of(config, panel, "backtest", tested.bundles[MODEL].config.model)
    with run(environment, config.name, labels.name, {**labels.tags, **_tags(tested)}) as run_id:
        log_dataset(panel, labels.data, "evaluation")
        mlflow.log_params({f"backtest.{name}": str(value) for name, value in config.backtest.model_dump().items()})
        refits = _refits(environment, client, tested) if config.backtest.refit else None
        found = backtest(panel, config, tested.bundles, refits)
        compared = Compared(panel, found.evaluations, MODEL, segments=config.promotion.segments)
        reported = Reported(run_id, labels, config.figures, tested.bundles[MODEL].predictor)
        families = families_of({role: bundle.config.model for role, bundle in tested.bundles.items()})
        log_evaluations(client, reported, compared, families)
        mlflow.log_metrics(_gain_metrics(found.gains))
        if found.notes:
            mlflow.log_text("\n".join(found.notes), "notes.txt")
        with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
            path = Path(folder) / STEPS_FILE
            step_table(found).to_parquet(path)
            mlflow.log_artifact(str(path))
    return Recorded(run_id, tested, found)


def _tags(tested: Tested) -> dict[str, str]:
    numbers = {role: str(version.number) for role, version in tested.versions.items() if role != MODEL}
    version = tested.versions[MODEL]
    return {"version": str(version.number), **numbers}


def _refits(environment: Environment, client: MlflowClient, tested: Tested) -> dict[str, Refit]:
    folder = environment.home / "checkpoints"
    return {role: refit_of(client, version, tested.bundles[role], folder) for role, version in tested.versions.items()}


def _gain_metrics(gains: Mapping[str, Mapping[str, Gain | None]]) -> dict[str, float]:
    """Gives 'gain_over_ROLE_METRIC', and with _low and _high the ends of its interval, as far as they are finite."""
    named = {
        f"gain_over_{role}_{metric}{end}": value
        for role, by_metric in gains.items()
        for metric, gain in by_metric.items()
        if gain is not None
        for end, value in (("", gain.mean), ("_low", gain.low), ("_high", gain.high))
    }
    return {name: value for name, value in named.items() if math.isfinite(value)}
