"""Pretraining as a run of MLflow: synthetic series in, the bundle of an encoder of any frequency out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import mlflow

from forecaster.config.pretraining import PretrainingConfig
from forecaster.pretrained import save_encoder
from forecaster.training.callbacks import ReportMetrics
from forecaster.training.precision import lightning_precision
from forecaster.training.pretraining import pretrain as train_encoder
from pipelines.config import Environment
from pipelines.errors import SourceError
from pipelines.progress import log_progress
from pipelines.tracking import connect, log_config, run

EXPERIMENT = "pretraining"


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining has left behind."""

    run_id: str
    folder: Path  # of the bundle
    digest: str
    num_steps: int
    validation_loss: float


def pretrain(
    environment: Environment, config: PretrainingConfig, output: Path, *, show_progress: bool = False
) -> Pretrained:
    """Trains an encoder on synthetic series, logs its losses, and writes its bundle to a new folder `output`.

    Broken off, it goes on from its last checkpoint, which lies in the working folder under a name of the config, and
    ends in the weights of an unbroken run. Raises SourceError where `output` cannot be a new folder.
    """
    if output.exists() or not output.parent.is_dir():
        raise SourceError(f"output folder {output} must be a new one in a folder that exists")
    connect(environment)
    identity = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]
    model = config.model
    name = f"d{model.d_model} x {model.num_layers}, {config.max_steps} steps"
    with run(environment, EXPERIMENT, name, {"stage": "pretrain"}) as run_id:
        log_config(config)
        mlflow.log_param("resolved.precision", lightning_precision(config.precision))
        folder = environment.home / "pretraining" / identity
        reporting = [ReportMetrics(log_progress)]
        made = train_encoder(config, folder, callbacks=reporting, show_progress=show_progress)
        digest = save_encoder(made.network, config, made.num_steps, made.validation_loss, output)
        mlflow.log_metric("num_parameters", sum(weight.numel() for weight in made.network.parameters()))
        mlflow.log_artifacts(str(output), "bundle")
    return Pretrained(run_id, output, digest, made.num_steps, made.validation_loss)
