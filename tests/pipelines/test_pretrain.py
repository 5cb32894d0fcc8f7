"""A pretraining is a run of MLflow, whose bundle forecasts series of any frequency."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from forecaster.bundle import load_bundle
from forecaster.config.pretraining import PretrainingConfig
from forecaster.pretrained import TRAINING, encoder_for
from pipelines.config import Environment
from pipelines.config_file import settings_of, validated
from pipelines.errors import SourceError
from pipelines.pretrain import EXPERIMENT, pretrain
from tests.factories import sine_panel

SMALL = {
    "model.d_model": 8,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "model.d_ff": 8,
    "model.context_length": 64,
    "max_steps": 4,
    "steps_per_validation": 2,
    "warmup_steps": 1,
    "num_orders": 2,
    "windows_per_order": 8,
    "num_threads": 1,
}


def config() -> PretrainingConfig:
    return validated(PretrainingConfig, settings_of(TRAINING, SMALL), TRAINING)


def test_the_settings_of_the_encoder_in_the_box_are_those_of_a_pretraining() -> None:
    shipped = validated(PretrainingConfig, settings_of(TRAINING, {}), TRAINING)
    facts = encoder_for(sine_panel().axis.frequency, 100)
    assert facts.manifest.training.num_steps == shipped.max_steps
    assert facts.manifest.training.is_synthetic
    own = {name: value for name, value in shipped.model.model_dump().items() if name != "lags"}
    lengths = {"context_length", "horizon", "season_length"}
    found = facts.config.model.model_dump()
    assert {name for name, value in own.items() if found[name] != value} <= lengths


def test_a_pretraining_is_a_run_and_leaves_a_bundle(tmp_path: Path) -> None:
    environment = Environment(home=tmp_path / "home", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    made = pretrain(environment, config(), tmp_path / "encoder")
    client = MlflowClient(environment.tracking_uri)
    run = client.get_run(made.run_id)
    assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT
    assert (run.info.status, run.data.tags["stage"]) == ("FINISHED", "pretrain")
    assert (run.data.params["max_steps"], run.data.params["model.d_model"]) == ("4", "8")
    losses = client.get_metric_history(made.run_id, "validation_loss")
    assert [point.step for point in losses] == [2, 4]
    assert losses[-1].value == pytest.approx(made.validation_loss)
    bundle = load_bundle(made.folder)
    assert (bundle.digest, bundle.facts.num_steps, bundle.facts.is_synthetic) == (made.digest, 4, True)
    panel = sine_panel()
    predictor = encoder_for(panel.axis.frequency, 50, encoder=bundle).predictor
    assert predictor.predict(panel, 3).values.shape == (len(panel), 3, 9)


def test_an_output_that_is_there_already_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    environment = Environment(home=tmp_path / "home", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "encoder").mkdir()
    for output in (tmp_path / "encoder", tmp_path / "none" / "encoder"):
        with pytest.raises(SourceError, match="must be a new one in a folder that exists"):
            pretrain(environment, config(), output)
    assert not environment.home.exists()
