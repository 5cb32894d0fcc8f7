"""Calibration on the history of what is forecast: intervals follow past errors, medians and short series stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.pretrained import calibrated, encoder_for
from tests.factories import sine_panel

HORIZON, LENGTH = 12, 240


def panel_of(values: FloatArray) -> Panel:
    """Gives a panel of daily series [S T]."""
    panel = sine_panel(*values.shape, frequency="D")
    return replace(panel, values=values.ravel())


def noise(num_series: int = 20) -> FloatArray:
    return np.random.default_rng(0).standard_normal((num_series, LENGTH))


def jumping(num_series: int = 20) -> FloatArray:
    """Gives series that stand on another level after each of the last cutoffs: no past tells which."""
    blocks = np.random.default_rng(1).standard_normal((num_series, LENGTH // HORIZON)) * 8
    blocks[:, : LENGTH // HORIZON - 8] = 0
    return noise(num_series) + np.repeat(blocks, HORIZON, axis=1)


def factors(values: FloatArray) -> FloatArray:
    predictor = calibrated(
        encoder_for(panel_of(values).axis.frequency, LENGTH, horizon=HORIZON).predictor, panel_of(values)
    )
    assert predictor.calibration is not None
    return predictor.calibration.factors


def test_intervals_become_wider_where_the_past_left_them_often() -> None:
    assert factors(jumping()).min() > 1.3


def test_intervals_become_narrower_where_the_past_stayed_well_within() -> None:
    few_steps_move = noise() * (np.random.default_rng(2).random((20, LENGTH)) < 0.08)
    assert factors(few_steps_move).max() < factors(noise()).min()


def test_medians_stay_and_quantiles_do_not_cross() -> None:
    panel = panel_of(jumping())
    raw = encoder_for(panel.axis.frequency, LENGTH, horizon=HORIZON).predictor
    before, after = raw.predict(panel).values, calibrated(raw, panel).predict(panel).values
    np.testing.assert_allclose(after[..., 4], before[..., 4], rtol=1e-6)
    assert (np.diff(after) >= 0).all()
    assert (np.ptp(after, axis=-1) > np.ptp(before, axis=-1)).all()


def test_the_fewer_windows_there_are_the_less_their_word_counts() -> None:
    alone = np.abs(np.log(factors(jumping(1)))).mean()
    assert alone < np.abs(np.log(factors(jumping(30)))).mean()


def test_the_order_of_the_series_does_not_matter() -> None:
    panel = panel_of(jumping(60) * np.geomspace(1, 50, 60)[:, None])
    turned = panel.select(np.random.default_rng(3).permutation(60))
    raw = encoder_for(panel.axis.frequency, LENGTH, horizon=HORIZON).predictor
    one, other = (calibrated(raw, each).calibration for each in (panel, turned))
    assert one is not None and other is not None
    np.testing.assert_allclose(one.factors, other.factors, rtol=1e-5)


@pytest.mark.parametrize("length", [1, HORIZON, 2 * HORIZON - 1])
def test_series_without_a_horizon_before_a_cutoff_change_nothing(length: int) -> None:
    panel = panel_of(noise(3)[:, :length])
    predictor = encoder_for(panel.axis.frequency, length, horizon=HORIZON).predictor
    assert calibrated(predictor, panel) is predictor


def test_long_series_tell_for_short_ones_beside_them() -> None:
    panel = panel_of(jumping())
    short = panel.head(np.where(np.arange(20) < 5, 3, LENGTH))
    predictor = encoder_for(panel.axis.frequency, LENGTH, horizon=HORIZON).predictor
    assert np.isfinite(calibrated(predictor, short).predict(short).values).all()


def test_windows_that_show_nothing_are_left_out() -> None:
    values = noise(4)
    values[0, : LENGTH - 3] = np.nan
    values[1, LENGTH // 2 :] = np.nan
    values[1, -1] = 1.0
    assert np.isfinite(factors(values)).all()


def test_of_many_windows_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = panel_of(noise(100))
    predictor = encoder_for(panel.axis.frequency, LENGTH, horizon=HORIZON).predictor
    asked: list[int] = []
    forecast = type(predictor).forecast_windows

    def counted(self: object, given: Panel, series: np.ndarray, *rest: object) -> object:
        asked.append(len(series))
        assert set(series) == set(range(100))
        return forecast(self, given, series, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(predictor), "forecast_windows", counted)
    calibrated(predictor, panel)
    assert asked == [256]


def test_a_backtest_learns_from_what_came_before_each_fold() -> None:
    values = jumping(6)
    later = values.copy()
    later[:, -2 * HORIZON :] = 0.0
    first, second = (
        Forecaster.pretrained(panel_of(each).to_frame(), horizon=HORIZON).backtest(num_folds=3)["model"]
        for each in (values, later)
    )
    oldest = first.fold == 0
    np.testing.assert_array_equal(first.quantiles[oldest], second.quantiles[oldest])
    assert not np.array_equal(first.quantiles[first.fold == 2], second.quantiles[first.fold == 2])


def test_predictions_have_the_intervals_of_their_own_table() -> None:
    calm, wild = (panel_of(values).to_frame() for values in (noise(), jumping()))
    model = Forecaster.pretrained(calm, horizon=HORIZON)

    def width(table: pd.DataFrame) -> float:
        return float((table["0.9"] - table["0.1"]).mean())

    raw = encoder_for(panel_of(jumping()).axis.frequency, LENGTH, horizon=HORIZON).predictor
    assert width(model.predict(wild)) > 1.3 * width(raw.predict(panel_of(jumping())).to_frame())
