"""Metrics: numbers by hand, missing actuals, and equality with utilsforecast where both apply."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from forecaster.metrics import Scores, score, seasonal_scale, seasonal_scales

LEVELS = (0.1, 0.5, 0.9)


def scored(actual: object, quantiles: object, scales: object) -> Scores:
    return score(np.array(actual, float), np.array(quantiles, float), LEVELS, np.array(scales, float))


def test_numbers_computed_by_hand() -> None:
    scores = scored([[10.0, 20.0]], [[[8, 9, 12], [21, 22, 23]]], [2.0])
    assert scores.mase == pytest.approx((1 / 2 + 2 / 2) / 2)
    assert scores.smape == pytest.approx((200 / 19 + 400 / 42) / 2)
    assert scores.coverage == {0.8: pytest.approx(0.5)}
    pinball = [(0.1 * 2 + 0.5 * 1 + 0.1 * 2) * 2 / 3, (0.9 * 1 + 0.5 * 2 + 0.1 * 3) * 2 / 3]
    assert scores.weighted_quantile_loss == pytest.approx(sum(pinball) / 30)
    np.testing.assert_allclose(scores.mase_by_step, [0.5, 1.0])


def test_missing_actuals_take_part_in_no_metric() -> None:
    forecast = [[8, 9, 12], [0, 1, 2]]
    with_gap = scored([[10.0, np.nan]], [forecast], [2.0])
    without = score(np.array([[10.0]]), np.array([forecast[:1]], float), LEVELS, np.array([2.0]))
    assert with_gap.as_metrics() == without.as_metrics()
    assert np.isnan(with_gap.mase_by_step[1])


def test_a_window_without_scale_or_actual_is_left_out_of_mase() -> None:
    scores = scored([[1.0], [2.0], [np.nan]], [[[0, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]], [1.0, np.nan, 1.0])
    assert scores.mase == pytest.approx(1.0)


def test_smape_of_zero_against_zero_is_zero() -> None:
    assert scored([[0.0]], [[[0, 0, 0]]], [1.0]).smape == 0.0


def test_agrees_with_utilsforecast() -> None:
    rng = np.random.default_rng(0)
    num_series, horizon, season = 5, 6, 4
    history = rng.normal(10, 3, (num_series, 40))
    actual = rng.normal(10, 3, (num_series, horizon))
    quantiles = np.sort(rng.normal(10, 3, (num_series, horizon, 3)), axis=2)
    scales = np.array([seasonal_scale(row, season) for row in history])
    ours = score(actual, quantiles, LEVELS, scales)

    ids = np.repeat(np.arange(num_series), horizon)
    steps = np.tile(np.arange(40, 40 + horizon), num_series)
    test = pd.DataFrame({"unique_id": ids, "ds": steps, "y": actual.ravel(), "m": quantiles[:, :, 1].ravel()})
    for q, level in enumerate(LEVELS):
        test[f"q{level}"] = quantiles[:, :, q].ravel()
    train = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(num_series), 40),
            "ds": np.tile(np.arange(40), num_series),
            "y": history.ravel(),
        }
    )
    mase = losses.mase(test, ["m"], seasonality=season, train_df=train)["m"].mean()
    smape = losses.smape(test, ["m"])["m"].mean() * 200  # theirs is |y-f|/(|y|+|f|)
    pinball = np.mean([losses.quantile_loss(test, {"m": f"q{q}"}, q=q)["m"].mean() for q in LEVELS])
    assert ours.mase == pytest.approx(mase)
    assert ours.smape == pytest.approx(smape)
    assert ours.weighted_quantile_loss == pytest.approx(2 * pinball / np.abs(actual).mean())


@pytest.mark.parametrize(
    ("history", "season", "expected"),
    [
        ([1.0, 3.0, 2.0, 5.0], 2, 1.5),
        ([1.0, np.nan, 2.0, 5.0], 2, 1.0),
        ([1.0, 3.0], 4, 2.0),
        ([1.0, 1.0, 1.0], 1, np.nan),
        ([1.0], 1, np.nan),
        ([np.nan, np.nan], 1, np.nan),
    ],
)
def test_seasonal_scale(history: list[float], season: int, expected: float) -> None:
    assert seasonal_scale(np.array(history), season) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("length", [2, 24, 25, 26, 512])
@pytest.mark.parametrize("num_missing", [0, 1])
def test_the_scale_of_a_history_is_that_of_many_cutoffs_to_the_last_bit(length: int, num_missing: int) -> None:
    history = np.random.default_rng(length).normal(100, 20, length)
    history[:num_missing] = np.nan
    np.testing.assert_array_equal(seasonal_scale(history, 24), seasonal_scales(history, np.array([length]), 24)[0])
