"""The pretrained encoder on the command line: tables are forecast and explained unseen, and trainings begin with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.errors import TrainingError
from forecaster.pretrained import ZERO_SHOT, calibrated, encoder_for, pretrained_encoder
from forecaster.training.fit import fit
from pipelines.config import Environment, PipelineConfig, SourceConfig, load_config
from pipelines.explain.explain import Asked, explain_series
from pipelines.prediction import Wanted
from pipelines.start import Beginning, begin, refuse_seen_folds
from pipelines.zero_shot import load_unseen, predict_unseen

HERE = Environment(home=Path("none"), tracking_uri="sqlite:///none.db")
SEASON, NUM_MONTHS = 12, 60


@pytest.fixture
def months(tmp_path: Path) -> Path:
    path = tmp_path / "months.csv"
    time = np.arange(NUM_MONTHS)
    wave = 10 + np.sin(2 * np.pi * time / SEASON) + 0.02 * time
    frame = pd.DataFrame({"ds": pd.date_range("2019-01-01", periods=NUM_MONTHS, freq="MS"), "y": wave})
    pd.concat([frame.assign(unique_id=name) for name in ("a", "b")]).to_csv(path, index=False)
    return path


def panel_of(path: Path) -> Panel:
    return load_unseen(SourceConfig(path=path), TableConfig()).loaded.panel


def begun(**settings: object) -> Beginning:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return begin(HERE, load_config(None, {"name": "m", "start.reference": ZERO_SHOT, **named}))


def test_a_table_is_forecast_as_the_library_does(months: Path) -> None:
    prediction = predict_unseen(SourceConfig(path=months), TableConfig(), Wanted(6, [0.1, 0.5, 0.9]))
    panel = panel_of(months)
    encoder = encoder_for(panel.axis.frequency, NUM_MONTHS, horizon=6)
    expected = calibrated(encoder.predictor, panel).predict(panel, 6, [0.1, 0.5, 0.9]).to_frame()
    pd.testing.assert_frame_equal(prediction.table, expected)
    assert (prediction.model, prediction.digest) == (ZERO_SHOT, encoder.digest)


def test_the_command_wants_a_file_and_neither_registry_nor_trainer(months: Path) -> None:
    code = "import sys; from forecaster.cli import main; main(sys.argv[1:])"
    unwanted = "{'mlflow', 'pytorch_lightning', 'sqlalchemy', 'torch._meta_registrations'}"
    told = f"*sorted({unwanted} & {{*sys.modules}}), gc.isenabled(), gc.get_freeze_count() > 100_000"
    told = f"import atexit, gc; atexit.register(lambda: print({told}))"
    command = [sys.executable, "-c", f"import sys; {told}; {code}", "predict", str(months), "--horizon", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=months.parent)
    header, *rows, at_the_end = done.stdout.splitlines()
    assert header.startswith("unique_id,ds,0.1,0.2")
    assert [row[:12] for row in rows] == [f"{name},2024-0{month}-01" for name in "ab" for month in (1, 2, 3)]
    assert at_the_end == "True True"  # nothing unwanted is there, and what is there is not looked at for garbage
    assert [path.name for path in months.parent.iterdir()] == ["months.csv"]


def test_a_forecast_is_explained(months: Path) -> None:
    explained = explain_series(HERE, ZERO_SHOT, SourceConfig(path=months), TableConfig(), Asked("a", None))
    assert explained.model == ZERO_SHOT
    assert len(explained.times) == NUM_MONTHS


def test_a_training_takes_the_shape_of_the_encoder_and_the_lengths_of_the_config() -> None:
    beginning = begun(start__kind="fine_tune", model__horizon=100)
    model, encoder = beginning.config.model, pretrained_encoder().config.model
    assert (model.horizon, model.context_length, model.lags) == (100, None, "cycles")
    assert (model.d_model, model.num_layers, model.decoder, model.skip) == (
        encoder.d_model,
        encoder.num_layers,
        "queries",
        "none",
    )
    assert beginning.start.facts.kind == "fine_tune"
    assert beginning.start.facts.bundle_digest == pretrained_encoder().digest


def test_a_fine_tuned_model_has_the_lags_of_the_data_and_nothing_is_leaked(months: Path, tmp_path: Path) -> None:
    training = {"training.max_steps": 2, "training.steps_per_validation": 1, "training.batch_size": 8}
    beginning = begun(start__kind="warm_start", model__horizon=3, **training)
    panel = panel_of(months)
    refuse_seen_folds(panel, beginning.config, beginning.start)
    result = fit(panel, beginning.config.forecaster, tmp_path / "checkpoints", start=beginning.start)
    assert result.config.model.lags == (1, 12, 24, 36, 48, 0)
    assert result.facts.start.bundle_digest == pretrained_encoder().digest
    assert not result.facts.is_synthetic


def test_settings_that_the_weights_do_not_fit_are_refused(months: Path, tmp_path: Path) -> None:
    config: PipelineConfig = begun(start__kind="fine_tune", model__horizon=3, model__d_model=32).config
    start = begun(start__kind="fine_tune").start
    with pytest.raises(TrainingError, match=r"d_model 128 \(wanted: 32\)"):
        fit(panel_of(months), config.forecaster, tmp_path / "checkpoints", start=start)
