"""`Forecaster.pretrained`: forecasts of a table without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster, ForecasterError
from forecaster.config import ForecasterConfig, ModelConfig, TableConfig, TrainingConfig
from forecaster.errors import ConfigError, DataError, FrequencyError, RequestError
from forecaster.pretrained import fine_tunable, pretrained_encoder
from tests.conftest import noisy_waves
from tests.factories import sine_panel


@pytest.fixture(scope="module")
def model() -> Forecaster:
    return Forecaster.pretrained(noisy_waves(), horizon=12)


def values_of(forecast: pd.DataFrame) -> np.ndarray:
    return forecast[[f"0.{digit}" for digit in range(1, 10)]].to_numpy()


def test_predict_continues_every_series_of_the_table(model: Forecaster) -> None:
    frame, forecast = noisy_waves(), model.predict()
    assert list(forecast["unique_id"].unique()) == ["s0", "s1", "s2"]
    assert forecast.groupby("unique_id").size().tolist() == [12, 12, 12]
    assert forecast["ds"].min() == frame["ds"].max() + pd.Timedelta(hours=1)
    assert np.isfinite(values_of(forecast)).all()
    assert (np.diff(values_of(forecast), axis=1) >= 0).all()


def test_its_horizon_is_64_steps_unless_another_is_given() -> None:
    assert len(Forecaster.pretrained(noisy_waves()).predict()) == 3 * 64
    assert len(Forecaster.pretrained(noisy_waves()).predict(horizon=70, roll_out=True)) == 3 * 70
    with pytest.raises(ConfigError, match=r"horizon 65 is outside 1\.\.64"):
        Forecaster.pretrained(noisy_waves(), horizon=65)


def test_a_longer_forecast_is_a_roll_out_that_begins_as_the_shorter_one(model: Forecaster) -> None:
    with pytest.raises(RequestError, match=r"outside 1\.\.12"):
        model.predict(horizon=30)
    longer = model.predict(horizon=30, roll_out=True)
    assert longer.groupby("unique_id").size().tolist() == [30, 30, 30]
    pd.testing.assert_frame_equal(
        longer.groupby("unique_id").head(12).reset_index(drop=True), model.predict(), rtol=1e-5, atol=1e-4
    )


def test_another_table_of_its_frequency_and_chosen_levels(model: Forecaster) -> None:
    frame = noisy_waves().query("unique_id == 's1'")
    forecast = model.predict(frame, horizon=3, levels=[0.25, 0.75])
    assert list(forecast.columns) == ["unique_id", "ds", "0.25", "0.75"]
    assert len(forecast) == 3


def test_a_longer_table_is_looked_back_at_as_far_as_a_model_of_its_own_would(tmp_path: Path, model: Forecaster) -> None:
    frame = noisy_waves()
    short = Forecaster.pretrained(frame.groupby("unique_id").tail(20), horizon=12)
    pd.testing.assert_frame_equal(short.predict(frame), model.predict())
    scores = [found.backtest(frame)["model"].scores.mase for found in (short, model)]
    assert scores[0] == scores[1]
    short.save(tmp_path / "short")
    pd.testing.assert_frame_equal(Forecaster.load(tmp_path / "short").predict(frame), model.predict())


def test_another_frequency_is_refused(model: Forecaster) -> None:
    with pytest.raises(FrequencyError, match="'D'"):
        model.predict(noisy_waves("D"))


def test_backtest_gives_all_folds_that_the_data_holds(model: Forecaster) -> None:
    found = model.backtest(num_folds=8)
    assert found.keys() == {"model", "seasonal_naive"}
    assert found["model"].actual.shape == found["seasonal_naive"].actual.shape == (3 * 8, 12)
    assert all(np.isfinite(evaluation.scores.mase) for evaluation in found.values())
    assert model.backtest()["model"].actual.shape == (3 * 3, 12)
    with pytest.raises(ConfigError, match="1 fold or more"):
        model.backtest(num_folds=0)


def test_save_and_load_give_the_same_forecasts_and_folds(model: Forecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(noisy_waves()), model.predict())
    scores = [
        each["model"].scores.mase for each in (loaded.backtest(noisy_waves(), num_folds=6), model.backtest(num_folds=6))
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("frequency", "timezone"),
    [("D", None), ("MS", None), ("step", None), ("15min", "Europe/Berlin"), ("D", "Asia/Tokyo")],
)
def test_tables_of_any_frequency_and_time_zone_are_forecast(frequency: str, timezone: str | None) -> None:
    frame = sine_panel(2, 60, noise=0.1, frequency=frequency, timezone=timezone).to_frame()
    forecast = Forecaster.pretrained(frame, horizon=5).predict()
    assert len(forecast) == 10
    assert forecast["ds"].min() > frame["ds"].max()


def test_a_wide_table_is_the_same_as_a_long_one() -> None:
    frame = noisy_waves()
    wide = frame.pivot_table(index="ds", columns="unique_id", values="y", dropna=False).reset_index()
    found = Forecaster.pretrained(wide, horizon=4, table=TableConfig(layout="wide")).predict()
    np.testing.assert_array_equal(values_of(found), values_of(Forecaster.pretrained(frame, horizon=4).predict()))


def test_further_columns_are_not_read(model: Forecaster) -> None:
    frame = noisy_waves()
    priced = frame.assign(price=np.random.default_rng(0).standard_normal(len(frame)))
    pd.testing.assert_frame_equal(Forecaster.pretrained(priced, horizon=12).predict(), model.predict())


def test_a_table_of_few_steps_is_forecast_and_one_of_a_single_step_repeats_it() -> None:
    few = sine_panel(2, 4, frequency="MS").to_frame()
    assert np.isfinite(values_of(Forecaster.pretrained(few, horizon=3).predict())).all()
    one = pd.DataFrame({"unique_id": ["a"], "ds": [5], "y": [3.5]})
    assert (values_of(Forecaster.pretrained(one, horizon=3).predict()) == 3.5).all()


@pytest.mark.parametrize("horizon", [0, -1, 5000, "many", 2.5])
def test_a_horizon_that_is_none_is_refused(horizon: object) -> None:
    with pytest.raises(ConfigError, match=f"horizon {str(horizon)!r} cannot be forecast: Input should be"):
        Forecaster.pretrained(noisy_waves(), horizon=horizon)  # type: ignore[arg-type]


def test_a_table_that_is_not_usable_is_refused_with_the_reason() -> None:
    frame = noisy_waves()
    for wrong, reason in (
        (frame.drop(columns="y"), "no target 'y'"),
        (frame.head(0), "no rows"),
        (frame.assign(y="many"), "'y'"),
        (pd.concat([frame, frame.head(1)]), "more than once"),
    ):
        with pytest.raises(DataError, match=reason):
            Forecaster.pretrained(wrong)


def test_a_model_without_weights_says_where_they_come_from() -> None:
    with pytest.raises(ForecasterError, match=r"call fit\(\), load\(\) or pretrained\(\) first"):
        Forecaster().predict()


def test_a_fit_may_begin_with_the_encoder_and_keeps_its_shape() -> None:
    training = TrainingConfig(max_steps=2, steps_per_validation=1, batch_size=8)
    model = Forecaster(5, config=ForecasterConfig(training=training)).fit(noisy_waves(), from_pretrained=True)
    assert len(model.predict()) == 3 * 5
    assert model._predictor is not None
    config, encoder = model._predictor.network.config, pretrained_encoder().config.model
    assert (config.lags, config.horizon) == ((1, 24, 48, 72, 96, 168), 5)
    assert (config.d_model, config.num_layers, config.norm) == (encoder.d_model, encoder.num_layers, encoder.norm)


def test_settings_that_are_not_named_are_those_of_the_encoder() -> None:
    found = fine_tunable(ModelConfig(horizon=200, dropout=0.2))
    encoder = pretrained_encoder().config.model
    assert (found.horizon, found.dropout, found.lags, found.context_length) == (200, 0.2, "cycles", None)
    assert (found.decoder, found.skip, found.d_ff) == (encoder.decoder, encoder.skip, encoder.d_ff)
