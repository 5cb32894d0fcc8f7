"""One training run: data -> weights -> evaluation -> bundle -> registered challenger, all in one MLflow run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from forecaster.bundle import load_bundle, save_bundle
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation, evaluate
from forecaster.predictor import Predictor
from forecaster.training.fit import FitResult, fit
from pipelines import registry, report
from pipelines.backtest import SEASONAL_NAIVE, compare
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.registry import Version
from pipelines.tracking import log_config, log_scores, registry_errors, run


@dataclass(frozen=True)
class Training:
    """What one training run left behind."""

    run_id: str
    version: Version
    digest: str
    validation: Evaluation
    test: dict[str, Evaluation]  # 'model' and 'seasonal_naive'; empty without test folds
    figure: Path


def train(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    loaded: LoadedPanel,
    *,
    show_progress: bool = False,
) -> Training:
    """Trains, evaluates and registers one version as challenger."""
    panel = loaded.panel
    tags = {"stage": "train", "model": config.name, "frequency": panel.axis.frequency.alias}
    with run(environment, config.name, f"train {config.name}", tags) as run_id:
        work = environment.home / "work" / run_id
        with registry_errors():
            _log_data(config, loaded)
        result = fit(
            panel, config.forecaster, work / "checkpoints", callbacks=[LogMetrics()], show_progress=show_progress
        )
        predictor = result.predictor
        validation = evaluate(predictor, panel, result.split.validation, predictor.levels)
        folder = work / "bundle"
        save_bundle(folder, predictor, result.facts)
        bundle = load_bundle(folder)
        test = compare(panel, config, {"model": bundle}) if config.split.num_test_folds else {}
        figure = report.draw_forecasts(panel, test.get("model", validation), work / "forecasts.png")
        with registry_errors():
            roles = {"validation": validation, **_test_roles(test), **_uncalibrated(panel, result)}
            _log_result(run_id, result, roles, figure)
            mlflow.log_table(report.series_table(panel, test.get("model", validation)), "series.json")
            version = registry.register(client, config.name, folder, bundle, _version_tags(panel, test, validation))
        shutil.rmtree(work / "checkpoints")
    return Training(run_id, version, bundle.digest, validation, test, figure)


class LogMetrics(Callback):
    """Logs the losses and the learning rate to the active run at each validation, step = optimiser step."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs what Lightning collected."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        metrics["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        mlflow.log_metrics(metrics, step=trainer.global_step)


def _log_data(config: PipelineConfig, loaded: LoadedPanel) -> None:
    log_config(config)
    panel = loaded.panel
    mlflow.set_tag("data_fingerprint", panel.fingerprint())
    mlflow.log_dict(loaded.facts, "data_report.json")
    sample = panel.select(range(min(len(panel), 10))).to_frame()
    name = config.source.path.name if config.source.path else "sql"
    dataset = from_pandas(sample, name=name, digest=panel.fingerprint()[-36:])
    mlflow.log_input(dataset, context="training")


def _log_result(run_id: str, result: FitResult, evaluations: dict[str, Evaluation], figure: Path) -> None:
    mlflow.log_params({f"resolved.{k}": str(v) for k, v in result.config.model.model_dump(mode="json").items()})
    parameters = sum(p.numel() for p in result.predictor.network.parameters())
    mlflow.log_metrics({"num_parameters": parameters, "best_step": result.facts.num_steps})
    for role, evaluation in evaluations.items():
        log_scores(run_id, evaluation.scores, role)
    mlflow.log_artifact(str(figure))


def _test_roles(test: dict[str, Evaluation]) -> dict[str, Evaluation]:
    """Gives the test evaluations under their names in a training run."""
    return {"test": test["model"], f"test_{SEASONAL_NAIVE}": test[SEASONAL_NAIVE]} if test else {}


def _uncalibrated(panel: Panel, result: FitResult) -> dict[str, Evaluation]:
    """Gives the test evaluation of the network as it is, so that a run shows coverage before and after."""
    predictor = result.predictor
    if predictor.calibration is None or not result.split.test:
        return {}
    raw = Predictor(predictor.network, predictor.frequency)
    return {"test_uncalibrated": evaluate(raw, panel, result.split.test, predictor.levels)}


def _version_tags(panel: Panel, test: dict[str, Evaluation], validation: Evaluation) -> dict[str, str]:
    scores = (test["model"] if test else validation).scores
    tags = {"data_fingerprint": panel.fingerprint(), "frequency": panel.axis.frequency.alias}
    return tags | {f"mase_{'test' if test else 'validation'}": f"{scores.mase:.5f}"}


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
        "figure": str(training.figure),
    }


def scores_table(scores: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Gives one row per role, one column per metric."""
    return pd.DataFrame(scores).T.round(4)
