"""`Forecaster`: fit and predict on a table, in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster, ForecasterConfig, ForecasterError, ModelConfig, TrainingConfig
from forecaster.errors import BundleError, ConfigError, DataError, RequestError
from tests.conftest import noisy_waves

CONFIG = ForecasterConfig(
    model=ModelConfig(context_length=48, d_model=16, num_heads=2, num_layers=1, d_ff=16),
    training=TrainingConfig(max_steps=80, steps_per_validation=20, batch_size=32, learning_rate=5e-3),
)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster(horizon=12, config=CONFIG).fit(noisy_waves())


def test_predict_continues_every_series_of_the_table(fitted: Forecaster) -> None:
    frame = noisy_waves()
    forecast = fitted.predict()
    assert list(forecast["unique_id"].unique()) == ["s0", "s1", "s2"]
    assert forecast.groupby("unique_id").size().tolist() == [12, 12, 12]
    assert forecast["ds"].min() == frame["ds"].max() + pd.Timedelta(hours=1)
    assert (np.diff(forecast[["0.1", "0.5", "0.9"]].to_numpy(), axis=1) >= 0).all()


def test_another_table_a_shorter_horizon_and_chosen_levels(fitted: Forecaster) -> None:
    frame = noisy_waves().query("unique_id == 's1'")
    forecast = fitted.predict(frame, horizon=3, levels=[0.25, 0.75])
    assert list(forecast.columns) == ["unique_id", "ds", "0.25", "0.75"]
    assert len(forecast) == 3


def test_backtest_beats_the_seasonal_naive(fitted: Forecaster) -> None:
    scores = {name: evaluation.scores.mase for name, evaluation in fitted.backtest().items()}
    assert scores["model"] < scores["seasonal_naive"]


def test_backtest_scores_both_on_those_windows_that_both_can_forecast() -> None:
    frame = noisy_waves().query("unique_id != 's2'").reset_index(drop=True)
    frame.loc[300:365, "y"] = np.nan  # of s0: all that the model sees before the first of three cutoffs
    training = CONFIG.training.model_copy(update={"max_steps": 2, "steps_per_validation": 1})
    model = Forecaster(horizon=12, config=CONFIG.model_copy(update={"training": training})).fit(frame)
    found = model.backtest()
    for evaluation in found.values():
        assert np.isnan(evaluation.scores.mase_by_window).tolist() == [True, False, False, False, False, False]
    assert np.isfinite(found["seasonal_naive"].quantiles).all()


@pytest.mark.parametrize("num_folds", [0, -1, 2.5, "a", True])
def test_a_number_of_folds_that_is_none_is_refused(fitted: Forecaster, num_folds: object) -> None:
    with pytest.raises(ConfigError, match=f"1 fold or more, a whole number, got {num_folds!r}"):
        fitted.backtest(num_folds=num_folds)  # type: ignore[arg-type]


def test_save_and_load_give_the_same_forecasts(fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(noisy_waves()), fitted.predict())


def test_backtest_refuses_folds_that_training_has_seen(fitted: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(ForecasterError, match="Use fewer folds"):
        fitted.backtest(num_folds=6)
    fitted.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.backtest(noisy_waves())["model"].scores.mase == fitted.backtest()["model"].scores.mase
    with pytest.raises(ForecasterError, match="Use fewer folds"):
        loaded.backtest(noisy_waves(), num_folds=6)


def test_a_short_table_is_read_at_the_frequency_of_the_model(fitted: Forecaster) -> None:
    assert len(fitted.predict(noisy_waves().groupby("unique_id").head(2), horizon=3)) == 9


def test_what_cannot_be_done_is_said(fitted: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(ForecasterError, match="call fit"):
        Forecaster().predict()
    fitted.save(tmp_path / "model")
    with pytest.raises(ForecasterError, match="pass the table"):
        Forecaster.load(tmp_path / "model").predict()


@pytest.mark.parametrize("name", ["file/model", "x" * 300, "\0bad"])
def test_a_folder_that_cannot_be_written_is_refused(fitted: Forecaster, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match=r"bundle folder .* cannot be written: "):
        fitted.save(tmp_path / name)


def test_what_is_no_table_is_refused(fitted: Forecaster) -> None:
    wrong: tuple[Any, ...] = (pd.Series([1.0, 2.0]), {"y": [1.0]}, np.arange(3.0))
    for table in (*wrong, None):
        for door in (Forecaster(horizon=2).fit, Forecaster.pretrained):
            with pytest.raises(DataError, match=f"table must be a pandas DataFrame, got {type(table).__name__}"):
                door(table)
    for table in wrong:
        with pytest.raises(DataError, match="the table must be a pandas DataFrame"):
            fitted.predict(table)
        for beside in ("future", "static"):
            with pytest.raises(DataError, match=f"`{beside}` must be a pandas DataFrame"):
                fitted.predict(noisy_waves(), **{beside: table})


@pytest.mark.parametrize("horizon", [0, 5000, "many"])
def test_a_horizon_that_is_none_is_refused(horizon: object) -> None:
    with pytest.raises(ConfigError, match=f"horizon {str(horizon)!r} cannot be forecast: Input should be"):
        Forecaster(horizon=horizon)  # type: ignore[arg-type]


def test_levels_and_horizons_that_are_no_numbers_are_refused(fitted: Forecaster) -> None:
    for levels in (["x"], 0.5):
        with pytest.raises(RequestError, match="quantile levels must be numbers, several of them"):
            fitted.predict(levels=levels)  # type: ignore[arg-type]
    for horizon in (2.5, "3"):
        with pytest.raises(RequestError, match="horizon must be a whole number"):
            fitted.predict(horizon=horizon)  # type: ignore[arg-type]
