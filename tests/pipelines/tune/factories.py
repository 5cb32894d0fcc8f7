"""A small study: a config with a space, and records of trials as MLflow would give them back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.data.panel import Panel
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.tune.record import State, Trial
from tests.conftest import TINY
from tests.factories import sine_panel

RATE, WIDTH, HEADS = "training.learning_rate", "model.d_model", "model.num_heads"
SPACE: dict[str, Any] = {
    RATE: {"kind": "log_uniform", "low": 1e-4, "high": 1e-1},
    WIDTH: {"kind": "choice", "values": [8, 16]},
    "model.num_layers": {"kind": "integer", "low": 1, "high": 2},
}


def config_with(space: Mapping[str, Any] = SPACE, head: str = "quantile", **tune: Any) -> PipelineConfig:
    """Gives a config of seconds that tries what `space` says."""
    model = TINY["model"].model_copy(update={"head": head})
    quick = TINY["training"].model_copy(update={"max_steps": 20, "steps_per_validation": 10, "batch_size": 16})
    settings = {"num_trials": 3, "num_seeds": 2, **tune, "space": space}
    return PipelineConfig(name="waves", **{**TINY, "training": quick, "model": model}, tune=settings)


def loaded(panel: Panel | None = None) -> LoadedPanel:
    """Gives three short noisy waves, or that panel, as if read."""
    return LoadedPanel(panel or sine_panel(3, 160, noise=0.5), (), {})


def complete(number: int, score: float, **values: Any) -> Trial:
    """Gives a whole trial whose values went through JSON, as they do in MLflow."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return Trial(number, json.loads(json.dumps(named)), State.COMPLETE, score, {10: score + 0.1, 20: score})


def runs_of(environment: Environment, parent: str = "", stage: str = "") -> list[Run]:
    """Gives the runs of the experiment: of one study or of all, of one stage or of all."""
    client = MlflowClient(environment.tracking_uri, environment.tracking_uri)
    experiment = client.get_experiment_by_name("waves")
    found = [] if experiment is None else client.search_runs([experiment.experiment_id])
    own = [run for run in found if parent in ("", run.info.run_id, run.data.tags.get("mlflow.parentRunId"))]
    return [run for run in own if stage in ("", run.data.tags["stage"])]
