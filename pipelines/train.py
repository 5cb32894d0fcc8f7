"""One training run: data -> weights -> evaluation -> bundle -> registered challenger, all in one MLflow run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient

from forecaster.bundle import Bundle, load_bundle, save_bundle
from forecaster.calibration import Calibration
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation
from forecaster.manifest import Provenance
from forecaster.runtime.export import try_export
from forecaster.signature import SigningKey, write_signature
from forecaster.training.callbacks import ReportMetrics
from forecaster.training.cluster import ALONE, Place
from forecaster.training.fit import FitResult, fit, fit_key, resolve
from forecaster.training.memory import memory_estimate
from forecaster.training.precision import lightning_precision
from forecaster.training.start import Start, scratch
from pipelines import registry
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.progress import log_progress
from pipelines.provenance import code_commit, packages_digest
from pipelines.registry import Version
from pipelines.report.card import Subject, model_card
from pipelines.report.compared import RELATIVE_MASE, Compared
from pipelines.report.evaluations import Reported, log_beside, log_evaluations
from pipelines.report.fitted import EvaluatedFit, evaluate_fit
from pipelines.report.forecasts import draw_forecasts
from pipelines.report.labels import OWN_ROLE, Labels, data_name, labels_of
from pipelines.report.trend import SHOWN, log_trend
from pipelines.signing import read_signing_key
from pipelines.start import refuse_seen_folds
from pipelines.tracking import log_config, log_dataset, log_resolved, run


@dataclass(frozen=True)
class Training:
    """What one training run left behind."""

    run_id: str
    version: Version
    digest: str
    validation: Evaluation
    test: dict[str, Evaluation]  # 'model' and 'seasonal_naive'; empty without test folds
    figure: Path | None  # typical and worst forecasts; None where no figures are wanted


@dataclass(frozen=True)
class Beside:
    """Whom else a training concerns: what its run is marked with, who hears of each epoch, and who trains along."""

    tags: Mapping[str, str] = field(default_factory=dict)
    heard: Callable[[int], None] = lambda _: None  # by the last step of the epoch
    place: Place = ALONE  # of this process among those that a launcher started
    has_trend: bool = True  # False: its version is the only one there will be


@dataclass(frozen=True)
class OpenRun:
    """A run of a training that is under way, and the key that its bundle is signed with."""

    environment: Environment
    run_id: str
    labels: Labels
    key: SigningKey | None


@dataclass(frozen=True)
class Places:
    """Where a training keeps what is on its way."""

    checkpoints: Path  # of this data, config and start alone
    results: Path  # of this run alone


@dataclass(frozen=True)
class Trained:
    """What a training run has left behind before its version is registered."""

    run_id: str
    folder: Path  # of the bundle
    bundle: Bundle
    tags: dict[str, str]  # of the version
    card: str  # what the page of the version says, in markdown
    metrics: dict[str, float]  # what the trend of the model shows of it
    validation: Evaluation
    test: dict[str, Evaluation]
    figure: Path | None


def train(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    loaded: LoadedPanel,
    *,
    start: Start | None = None,
    show_progress: bool = False,
    beside: Beside | None = None,
) -> Training:
    """Trains, evaluates and registers one version as challenger; from scratch by default.

    What `beside.heard` raises ends the training.
    A run that was broken off goes on where it was: checkpoints are kept by data and config until one has ended.
    """
    start, beside = start or scratch(), beside or Beside()
    with training_run(environment, config, loaded, start, beside) as opened:
        checkpoints = checkpoints_of(environment, config, loaded.panel, start)
        places = Places(checkpoints, environment.home / "work" / opened.run_id)
        trained = fit_and_evaluate(
            opened, config, loaded, places, start=start, beside=beside, show_progress=show_progress
        )
        version = registry.register(client, config.name, trained.folder, trained.bundle, trained.tags)
        announce(client, opened.run_id, version, trained.card, trained.metrics if beside.has_trend else {})
        shutil.rmtree(trained.folder)  # the registry has it now
        shutil.rmtree(places.checkpoints, ignore_errors=True)
    return Training(opened.run_id, version, trained.bundle.digest, trained.validation, trained.test, trained.figure)


def announce(client: MlflowClient, run_id: str, version: Version, card: str, metrics: Mapping[str, float]) -> None:
    """Writes the card of a version that is new, and adds its point to the trend of the model."""
    registry.describe(client, version, card)
    if metrics:
        log_trend(client, run_id, version, metrics)


@contextmanager
def training_run(
    environment: Environment, config: PipelineConfig, loaded: LoadedPanel, start: Start, beside: Beside
) -> Iterator[OpenRun]:
    """Opens the run of a training, with its tags. ConfigError before that for a signing key that cannot be used."""
    key = None if environment.signing_key_file is None else read_signing_key(environment.signing_key_file)
    labels = labels_of(config, loaded.panel, "train")
    with run(environment, config.name, labels.name, {**labels.tags, **_start_tags(start), **beside.tags}) as run_id:
        yield OpenRun(environment, run_id, labels, key)


def fit_and_evaluate(
    opened: OpenRun,
    config: PipelineConfig,
    loaded: LoadedPanel,
    places: Places,
    *,
    start: Start,
    beside: Beside,
    show_progress: bool = False,
) -> Trained:
    """Trains within a run that is open, evaluates, logs all of it, and writes the bundle."""
    panel = loaded.panel
    _log_data(config, loaded)
    refuse_seen_folds(panel, config, start)
    _log_memory(config, panel)
    reporting = [ReportMetrics(log_progress), ReportMetrics(lambda _, step: beside.heard(step))]
    result = fit(
        panel,
        config.forecaster,
        places.checkpoints,
        start=start,
        callbacks=reporting,
        show_progress=show_progress,
        place=beside.place,
    )
    return _evaluated(opened, config, panel, result, places.results)


def checkpoints_of(environment: Environment, config: PipelineConfig, panel: Panel, start: Start) -> Path:
    """Gives the folder where checkpoints of a training are: another one for other data, config or start."""
    return environment.home / "checkpoints" / fit_key(panel, config.forecaster, start)


def _evaluated(opened: OpenRun, config: PipelineConfig, panel: Panel, result: FitResult, results: Path) -> Trained:
    """Evaluates what was fitted, logs it, and writes its bundle."""
    evaluated = evaluate_fit(config, panel, result)
    compared = evaluated.compared
    _log_result(result)
    _log_evaluations(config, result, opened, evaluated)
    figure = draw_forecasts(compared, results / "forecasts.png") if config.figures else None
    folder = results / "bundle"
    bundle = _write_bundle(folder, config, result, opened, evaluated.metrics())
    return Trained(
        run_id=opened.run_id,
        folder=folder,
        bundle=bundle,
        tags=_version_tags(panel, compared),
        card=model_card(Subject(opened.labels, bundle, config), compared),
        metrics={name: value for name, value in compared.metrics(OWN_ROLE).items() if name in SHOWN},
        validation=evaluated.validation,
        test=evaluated.test,
        figure=figure,
    )


def _log_evaluations(config: PipelineConfig, result: FitResult, opened: OpenRun, evaluated: EvaluatedFit) -> None:
    reported = Reported(opened.run_id, opened.labels, config.figures, result.predictor)
    log_evaluations(MlflowClient(), reported, evaluated.compared)
    for compared in evaluated.beside():
        log_beside(reported, compared, opened.labels.family)


def _write_bundle(
    folder: Path, config: PipelineConfig, result: FitResult, opened: OpenRun, metrics: dict[str, float]
) -> Bundle:
    """Writes the bundle, signed where there is a key, and gives it as whoever loads it finds it."""
    provenance = Provenance(
        model=config.name,
        run_id=opened.run_id,
        code_commit=code_commit(opened.environment),
        packages_digest=packages_digest(),
        metrics=metrics,
    )
    graph = try_export(result.predictor) if config.export else None
    digest = save_bundle(folder, result.predictor, result.facts, graph, provenance)
    if opened.key is not None:
        write_signature(folder, opened.key.sign(digest))
    return load_bundle(folder)


def _log_data(config: PipelineConfig, loaded: LoadedPanel) -> None:
    log_config(config)
    panel = loaded.panel
    mlflow.set_tag("data_fingerprint", panel.fingerprint())
    mlflow.log_dict(loaded.facts, "data_report.json")
    log_dataset(panel, data_name(config), "training")


def _start_tags(start: Start) -> dict[str, str]:
    facts = start.facts
    return {"start": facts.kind} | ({"start_bundle": facts.bundle_digest} if facts.bundle_digest else {})


def _log_memory(config: PipelineConfig, panel: Panel) -> None:
    estimate = memory_estimate(resolve(panel, config.forecaster), panel)
    mlflow.log_metric("estimated_memory_bytes", estimate.total)


def _log_result(result: FitResult) -> None:
    log_resolved(result.config.model, lightning_precision(result.config.training.precision))
    networks, calibration = result.predictor.networks, result.predictor.calibration
    parameters = sum(p.numel() for network in networks for p in network.parameters())
    facts = {"num_parameters": parameters, "num_networks": len(networks), "best_step": result.facts.num_steps}
    mlflow.log_metrics(facts | (_coverage(calibration) if calibration else {}))


def _coverage(calibration: Calibration) -> dict[str, float]:
    """Gives the held-out coverage of the interval nearest to 80 %, as far as it is known."""
    found = {
        "calibration_coverage_before": calibration.coverage_before,
        "calibration_coverage_after": calibration.coverage_after,
    }
    return {name: value for name, value in found.items() if value is not None}


def _version_tags(panel: Panel, compared: Compared) -> dict[str, str]:
    found = {
        name: f"{value:.5g}" for name, value in compared.metrics(OWN_ROLE).items() if name in ("mase", RELATIVE_MASE)
    }
    tags = {"data_fingerprint": panel.fingerprint(), "frequency": panel.axis.frequency.alias}
    return {**tags, **found, "evaluated_on": compared.evaluated_on}


def summary(training: Training) -> dict[str, Any]:
    """Gives the outcome, JSON-safe."""
    scores = {"validation": training.validation.scores.as_metrics()}
    scores |= {role: evaluation.scores.as_metrics() for role, evaluation in training.test.items()}
    return {
        "run_id": training.run_id,
        "model": training.version.name,
        "version": training.version.number,
        "digest": training.digest,
        "scores": scores,
        "figure": None if training.figure is None else str(training.figure),
    }


def scores_table(scores: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Gives one row per metric, one column per role."""
    return pd.DataFrame(scores).round(4)
