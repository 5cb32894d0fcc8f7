"""Small trainings on real data whose runs the pictures of docs/analysts.md show: hourly weather at three airports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from pipelines import examples, tracking
from pipelines.commands.training import backtest
from pipelines.config import Environment, PipelineConfig, load_config
from pipelines.loading import load
from pipelines.promotion.promote import promote
from pipelines.sources import write_table
from pipelines.train import train

MODEL = "weather"
_NUM_DAYS = 150
_SMALL = {
    "name": MODEL,
    "model.horizon": 24,
    "model.context_length": 96,
    "model.d_model": 16,
    "model.num_layers": 2,
    "model.d_ff": 32,
    "training.steps_per_validation": 20,
    "split.num_test_folds": 7,
    "promotion.confidence": 0.8,
    "promotion.max_segment_loss": 0.5,
    "promotion.segments": {"temperature": "*_temperature", "humidity": "*_humidity", "dew point": "*_dew_point"},
    "export": False,
}
# Each a retraining, the first ones as bad as a first try is.
_TRIALS: tuple[dict[str, Any], ...] = (
    {"model.skip": "none", "training.max_steps": 20},
    {"model.skip": "none", "training.max_steps": 120},
    {"model.skip": "theta", "training.max_steps": 40},
    {"training.max_steps": 40},
    {"training.max_steps": 40, "model.head": "student_t"},
    {"training.max_steps": 80, "model.d_model": 32},
)


def make_runs(home: Path) -> Environment:
    """Trains and promotes each trial whose version `home` does not hold already."""
    home.mkdir(parents=True, exist_ok=True)
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home.absolute()}/mlflow.db")
    client = tracking.connect(environment)
    table = examples.weather()
    path = home / f"{MODEL}.csv"
    write_table(table[table["ds"] > table["ds"].max() - pd.Timedelta(days=_NUM_DAYS)], path)
    configs = [load_config(None, {**_SMALL, "source.path": str(path), **trial}) for trial in _TRIALS]
    for config in configs[_num_versions(client) :]:
        _retrain(environment, client, config)
    _backtest_champion(environment, client, path)
    return environment


def _backtest_champion(environment: Environment, client: MlflowClient, path: Path) -> None:
    experiment = client.get_experiment_by_name(MODEL)
    if client.search_runs([experiment.experiment_id], "tags.stage = 'backtest'"):
        return
    os.environ |= {"FORECASTER_HOME": str(environment.home), "MLFLOW_TRACKING_URI": environment.tracking_uri}
    segments = json.dumps(_SMALL["promotion.segments"])
    settings = ("--set", "split.num_test_folds=7", "--set", f"promotion.segments={segments}")
    backtest.main(["--model", MODEL, "--data", str(path), *settings], standalone_mode=False)


def _retrain(environment: Environment, client: MlflowClient, config: PipelineConfig) -> None:
    loaded = load(config.source, config.table)
    training = train(environment, client, config, loaded)
    outcome = promote(environment, client, config, loaded.panel, training.version)
    print(f"{training.version}: {outcome.decision.reason}", flush=True)


def _num_versions(client: MlflowClient) -> int:
    return len(client.search_model_versions(f"name = '{MODEL}'"))
