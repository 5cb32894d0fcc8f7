"""Sample paths: marginals of the forecast, dependence of the templates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from forecaster.config import DEFAULT_LEVELS
from forecaster.sample_paths import MAX_TEMPLATES, dependent_levels, draw_paths, rank_templates
from forecaster.types import Forecast
from tests.factories import panel_of

HORIZON = 10


def autoregression(num_windows: int, share: float, seed: int = 0) -> np.ndarray:
    """Gives paths [W H] with standard normal marginals whose neighbours correlate by `share`."""
    rng = np.random.default_rng(seed)
    paths = rng.standard_normal((num_windows, HORIZON))
    for step in range(1, HORIZON):
        paths[:, step] = share * paths[:, step - 1] + np.sqrt(1 - share**2) * paths[:, step]
    return paths


def templates(share: float, num_windows: int = 200) -> np.ndarray:
    quantiles = np.broadcast_to(norm.ppf(DEFAULT_LEVELS), (num_windows, HORIZON, 9))
    return rank_templates(quantiles, autoregression(num_windows, share), DEFAULT_LEVELS)


def skewed_forecast(num_series: int = 2) -> Forecast:
    """Gives quantiles of an exponential whose mean grows by step and series."""
    panel = panel_of(*[[1.0, 2.0]] * num_series)
    means = np.arange(1, HORIZON + 1) * np.arange(1, num_series + 1)[:, None]
    values = means[:, :, None] * -np.log(1 - np.asarray(DEFAULT_LEVELS))
    return Forecast(panel.series_ids, panel.axis, panel.ends, DEFAULT_LEVELS, values)


def lag_one(paths: np.ndarray) -> float:
    """Gives the mean rank correlation of neighbouring steps of paths [N H]."""
    ranks = paths.argsort(axis=0).argsort(axis=0)
    return float(np.mean([np.corrcoef(ranks[:, h], ranks[:, h + 1])[0, 1] for h in range(HORIZON - 1)]))


@pytest.mark.parametrize("num_paths", [1000, 150])
def test_paths_have_the_quantiles_of_the_forecast_at_each_step(num_paths: int) -> None:
    forecast = skewed_forecast()
    paths = draw_paths(forecast, templates(0.8), num_paths, seed=1)
    assert paths.values.shape == (2, num_paths, HORIZON)
    found = np.moveaxis(np.quantile(paths.values, DEFAULT_LEVELS, axis=1), 0, 2)
    np.testing.assert_allclose(found, forecast.values, rtol=0.1 if num_paths == 150 else 0.02)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_neighbouring_steps_go_together_as_in_the_templates(share: float) -> None:
    source = templates(share)
    paths = draw_paths(skewed_forecast(), source, 400, seed=0)
    assert lag_one(source) == pytest.approx(6 / np.pi * np.arcsin(share / 2), abs=0.1)
    for series in paths.values:
        assert lag_one(series) == pytest.approx(lag_one(source), abs=0.05)


def test_a_series_has_the_same_paths_in_any_company_and_others_for_another_seed() -> None:
    forecast, source = skewed_forecast(), templates(0.5)
    alone = Forecast(forecast.series_ids[1:], forecast.axis, forecast.starts[1:], DEFAULT_LEVELS, forecast.values[1:])
    together = draw_paths(forecast, source, 20, seed=4).values
    np.testing.assert_array_equal(draw_paths(alone, source, 20, seed=4).values[0], together[1])
    assert not np.array_equal(draw_paths(forecast, source, 20, seed=5).values, together)


def test_levels_are_spread_evenly_however_many_templates_there_are() -> None:
    for num_templates, num_paths in ((1, 8), (5, 8), (200, 8)):
        levels = dependent_levels(templates(0.5, 200)[:num_templates], num_paths, np.random.default_rng(0))
        assert (np.sort((levels * num_paths).astype(int), axis=0) == np.arange(num_paths)[:, None]).all()


def test_templates_are_few_and_their_gaps_filled_by_the_nearest_step() -> None:
    actual = autoregression(1000, 0.5)
    actual[:, 3] = np.nan
    actual[500:, :6] = np.nan  # too few steps left to be a template
    quantiles = np.broadcast_to(norm.ppf(DEFAULT_LEVELS), (1000, HORIZON, 9))
    found = rank_templates(quantiles, actual, DEFAULT_LEVELS)
    assert (found.shape, found.dtype) == ((MAX_TEMPLATES, HORIZON), np.float32)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, 3], found[:, 2])
    assert np.abs(found[0, 4] - norm.cdf(actual[0, 4])) < 0.02


def test_the_table_has_one_row_per_series_path_and_step() -> None:
    frame = draw_paths(skewed_forecast(), templates(0.5), 3, seed=0).to_frame()
    assert list(frame.columns) == ["unique_id", "path", "ds", "y"]
    assert len(frame) == 2 * 3 * HORIZON
    assert frame["ds"].nunique() == HORIZON


def forecast_of(quantiles: list[float]) -> Forecast:
    """Gives a forecast of one series with these quantiles at .1, .5 and .9 of each step."""
    return replace(skewed_forecast(1), values=np.tile(quantiles, (1, HORIZON, 1)), levels=(0.1, 0.5, 0.9))


def test_paths_of_counts_are_counts() -> None:
    values = draw_paths(forecast_of([0.0, 1.0, 4.0]), templates(0.5), 200, seed=0, support="counts").values
    assert set(np.unique(values[values < 4])) == {0.0, 1.0, 2.0, 3.0}
    assert (values == np.rint(values)).all()


def test_paths_of_what_is_above_0_stay_there_and_keep_the_quantiles() -> None:
    values = draw_paths(forecast_of([0.2, 1.0, 5.0]), templates(0.5), 2_000, seed=0, support="positive").values
    assert values.min() > 0
    np.testing.assert_allclose(np.quantile(values, (0.1, 0.5, 0.9)), (0.2, 1.0, 5.0), rtol=0.05)
    plain = draw_paths(forecast_of([-0.2, 1.0, 5.0]), templates(0.5), 2_000, seed=0)
    same = draw_paths(forecast_of([-0.2, 1.0, 5.0]), templates(0.5), 2_000, seed=0, support="positive")
    np.testing.assert_array_equal(plain.values, same.values)  # there are no logarithms to take
