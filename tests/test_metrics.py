"""Metrics: numbers by hand, missing actuals, and equality with utilsforecast where both apply."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from utilsforecast import losses

from forecaster.metrics import Scores, score, scores_of, seasonal_scale, seasonal_scales, step_losses

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
    assert scores.bias == pytest.approx((-1 / 2 + 2 / 2) / 2)
    # The first lies inside 8..12; the second 1 below 21, which costs 2 / .2 beside the width.
    assert scores.interval_score == {0.8: pytest.approx((4 + (2 + 10 * 1)) / 2)}
    # Levels .1 .5 .9 stand for .3 .4 .3 of the probability.
    crps = [2 * (0.3 * 0.2 + 0.4 * 0.5 + 0.3 * 0.2), 2 * (0.3 * 0.9 + 0.4 * 1.0 + 0.3 * 0.3)]
    assert scores.crps == pytest.approx(sum(crps) / 2)
    assert scores.scaled_crps == pytest.approx(sum(crps) / 4)
    np.testing.assert_allclose(scores.crps_by_step, crps)
    np.testing.assert_allclose(scores.bias_by_step, [-0.5, 1.0])


def test_missing_actuals_take_part_in_no_metric() -> None:
    forecast = [[8, 9, 12], [0, 1, 2]]
    with_gap = scored([[10.0, np.nan]], [forecast], [2.0])
    without = score(np.array([[10.0]]), np.array([forecast[:1]], float), LEVELS, np.array([2.0]))
    assert with_gap.as_metrics() == without.as_metrics()
    for name, curve in with_gap.as_metrics_by_step().items():
        assert np.isnan(curve[1]), name


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
    rmsse_scales = np.concatenate([seasonal_scales(row, np.array([40]), season, power=2.0) for row in history])
    ours = score(actual, quantiles, LEVELS, scales, rmsse_scales)

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
    assert ours.rmsse == pytest.approx(losses.rmsse(test, ["m"], seasonality=season, train_df=train)["m"].mean())
    unscaled = score(actual, quantiles, LEVELS, np.ones(num_series))
    assert unscaled.bias == pytest.approx(losses.bias(test, ["m"])["m"].mean())
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


NINE = tuple(round(0.1 * number, 1) for number in range(1, 10))


def test_a_perfect_forecast_loses_nothing() -> None:
    actual = np.array([[3.0, -2.0, 0.0]])
    scores = score(actual, np.repeat(actual[:, :, None], 9, axis=2), NINE, np.ones(1), np.ones(1))
    lost = {name: value for name, value in scores.as_metrics().items() if not name.startswith("coverage")}
    assert set(lost) >= {"mase", "smape", "rmsse", "wql", "crps", "scaled_crps", "bias", "interval_score_80"}
    assert set(lost.values()) == {0.0}


@pytest.mark.parametrize("levels", [LEVELS, NINE, (0.025, 0.1, 0.5, 0.9, 0.975)])
def test_the_crps_of_a_single_value_is_its_distance(levels: tuple[float, ...]) -> None:
    scores = score(np.array([[3.0]]), np.full((1, 1, len(levels)), 5.5), levels, np.ones(1))
    assert scores.crps == pytest.approx(2.5)


@pytest.mark.parametrize(("num_levels", "tolerance"), [(9, 0.05), (99, 0.005)])
def test_the_crps_of_a_normal_is_near_the_one_in_closed_form(num_levels: int, tolerance: float) -> None:
    levels = tuple(round(number / (num_levels + 1), 6) for number in range(1, num_levels + 1))
    actual = norm.ppf((np.arange(200) + 0.5) / 200)[:, None]
    quantiles = np.broadcast_to(norm.ppf(levels), (200, 1, num_levels))
    # Gneiting & Raftery 2007, equation 21: its mean over the distribution itself is 1 / sqrt(pi).
    exact = actual * (2 * norm.cdf(actual) - 1) + 2 * norm.pdf(actual) - 1 / np.sqrt(np.pi)
    found = step_losses(actual, quantiles, levels, np.ones(200)).crps
    assert found.mean() == pytest.approx(exact.mean(), rel=tolerance)
    assert found.mean() == pytest.approx(1 / np.sqrt(np.pi), rel=tolerance)


def test_the_crps_at_the_middles_of_equal_shares_is_twice_the_mean_pinball_loss() -> None:
    draw = np.random.default_rng(0)
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    quantiles = np.sort(draw.normal(size=(4, 3, 5)), axis=2)
    found = step_losses(draw.normal(size=(4, 3)), quantiles, levels, np.ones(4))
    np.testing.assert_allclose(found.crps, found.quantile_loss)


def test_the_interval_score_is_the_width_where_the_actual_is_covered() -> None:
    quantiles = np.broadcast_to([1.0, 2.0, 5.0], (1, 3, 3))
    found = step_losses(np.array([[1.0, 3.0, 5.0]]), quantiles, LEVELS, np.ones(1)).interval_score[0.8]
    np.testing.assert_allclose(found, 4.0)


def test_no_interval_scores_better_than_the_true_quantiles() -> None:
    actual = norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None]

    def of_interval(shift: float, width: float) -> float:
        edges = shift + width * norm.ppf(LEVELS)
        return score(actual, np.broadcast_to(edges, (2000, 1, 3)), LEVELS, np.ones(2000)).interval_score[0.8]

    others = [of_interval(shift, width) for shift, width in ((0.2, 1.0), (-0.2, 1.0), (0.0, 0.8), (0.0, 1.2))]
    assert of_interval(0.0, 1.0) < min(others)


def test_the_rmsse_of_a_window_is_the_root_of_its_mean_square() -> None:
    point = np.array([[1.0, 3.0], [2.0, 2.0]])[:, :, None]
    scores = score(np.zeros((2, 2)), point, (0.5,), np.ones(2), np.array([2.0, 1.0]))
    assert scores.rmsse == pytest.approx((np.sqrt(5) / 2 + 2.0) / 2)
    assert np.isnan(score(np.zeros((2, 2)), point, (0.5,), np.ones(2)).rmsse)


def test_the_scale_of_rmsse_is_a_root_of_the_mean_square() -> None:
    scale = seasonal_scales(np.array([1.0, 3.0, 2.0, 7.0]), np.array([4, 3]), 2, power=2.0)
    np.testing.assert_allclose(scale, [np.sqrt((1 + 16) / 2), 1.0])


def test_scores_of_a_part_are_those_of_the_part_alone() -> None:
    draw = np.random.default_rng(0)
    actual, quantiles = draw.normal(size=(6, 4)), np.sort(draw.normal(size=(6, 4, 3)), axis=2)
    actual[2, 1] = np.nan
    whole = step_losses(actual, quantiles, LEVELS, np.ones(6), np.ones(6))
    places = np.array([2, 5])
    alone = score(actual[places], quantiles[places], LEVELS, np.ones(2), np.ones(2))
    assert scores_of(whole.at(places)).as_metrics() == alone.as_metrics()
