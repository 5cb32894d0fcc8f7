"""Covariates named in a training: static numbers are standardised by themselves, the calendar stands beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster, ForecasterConfig, ModelConfig
from forecaster.config import CovariateConfig, SplitConfig, TrainingConfig
from forecaster.training.fit import resolve
from tests.factories import panel_of

NAMES = "abcdef"
SIZES = {"age": np.linspace(0.0, 1.0, 6), "sales": np.linspace(1e6, 2e6, 6)}


def fitted(static: pd.DataFrame, covariates: CovariateConfig | None = None, **settings: str) -> Forecaster:
    draw = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40)
    frames = [pd.DataFrame({"unique_id": name, "ds": days, "y": draw.normal(size=40)}) for name in NAMES]
    small = {"horizon": 4, "d_model": 16, "num_layers": 1, "d_ff": 16}
    model = ModelConfig.model_validate({**small, "covariates": covariates or CovariateConfig(), **settings})
    training = TrainingConfig(max_steps=2, batch_size=8, steps_per_validation=1, num_threads=1)
    split = SplitConfig(num_validation_folds=1, num_test_folds=1)
    config = ForecasterConfig(model=model, training=training, split=split)
    return Forecaster(config=config).fit(pd.concat(frames, ignore_index=True), static=static)


@pytest.mark.parametrize("names", [("age", "sales"), ("sales", "age"), ("sales",)])
def test_each_static_number_is_standardised_by_itself_in_whatever_order_it_is_named(names: tuple[str, ...]) -> None:
    static = fitted(pd.DataFrame({"unique_id": list(NAMES), **SIZES}), CovariateConfig(static=names))
    embedding = static._predictor.network.tokens.static
    assert embedding is not None
    np.testing.assert_allclose(embedding.loc, [SIZES[name].mean() for name in names])
    np.testing.assert_allclose(embedding.spread, [SIZES[name].std() for name in names])


def test_a_category_needs_no_number_beside_it() -> None:
    static = pd.DataFrame({"unique_id": list(NAMES), "kind": list("xyxyxy")})
    assert np.isfinite(fitted(static).predict()["0.5"]).all()


def test_calendar_and_holidays_that_are_asked_for_stand_beside_covariates_that_are_named() -> None:
    static = pd.DataFrame({"unique_id": list(NAMES), **SIZES})
    named = fitted(static, CovariateConfig(static=("age",)), calendar="auto", holidays="DE")._predictor.network.config
    found = fitted(static, calendar="auto", holidays="DE")._predictor.network.config
    assert named.covariates.static == ("age",)
    assert found.covariates.calendar
    assert (named.covariates.calendar, named.covariates.holidays) == (found.covariates.calendar, "DE")


@pytest.mark.parametrize(
    "covariates",
    [
        CovariateConfig(),
        CovariateConfig(known=("price",)),
        CovariateConfig(calendar=("hour_of_day_sin", "hour_of_day_cos")),
    ],
    ids=["found", "named", "with the calendar"],
)
def test_the_calendar_goes_by_the_zone_of_the_training_whatever_is_named(covariates: CovariateConfig) -> None:
    panel = panel_of(np.arange(100.0), timezone="Asia/Tokyo")

    def clock(given: CovariateConfig) -> str | None:
        model = ModelConfig(horizon=4, calendar="auto", covariates=given)
        return resolve(panel, ForecasterConfig(model=model)).model.covariates.timezone

    assert clock(covariates) == "Asia/Tokyo"
    assert clock(covariates.model_copy(update={"timezone": "Europe/Berlin"})) == "Europe/Berlin"
