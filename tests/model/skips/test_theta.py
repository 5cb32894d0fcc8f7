"""The theta skip: against a loop over one series, and where values are missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from forecaster.model.skips.theta import ALPHAS, ThetaSkip, is_seasonal, latest_observed, seasonal_profile, slope
from tests.model.factories import awake_network, batch_of, forecast, random_context

Array = NDArray[np.float64]


def by_loop(series: Array, horizon: int, season: Array) -> Array:
    """Gives the theta forecast of one whole series whose season [m], the next phase first, is known."""
    num_steps, m = len(series), len(season)
    rest = series - np.array([season[(step - num_steps) % m] for step in range(num_steps)])
    drift = np.polyfit(np.arange(num_steps), rest, 1)[0] / 2
    best = (np.inf, 0.0, 0.0)
    for alpha in ALPHAS:
        total = weight = error = 0.0
        for step, value in enumerate(rest):
            if step:
                error += (value - total / weight) ** 2
            total, weight = (1 - alpha) * total + value, (1 - alpha) * weight + 1
        best = min(best, (error, alpha, total / weight))
    _, alpha, level = best
    lasting = (1 - (1 - alpha) ** num_steps) / alpha
    return np.array([level + drift * (ahead + lasting) + season[ahead % m] for ahead in range(horizon)])


def seasonal_series(num_steps: int = 48, m: int = 4) -> Array:
    draw = np.random.default_rng(0)
    steps = np.arange(num_steps)
    return 0.05 * steps + np.tile([1.0, -0.5, 0.3, -0.8], num_steps // m) + 0.1 * draw.standard_normal(num_steps)


def row(series: Array) -> torch.Tensor:
    return torch.tensor(series, dtype=torch.float32).unsqueeze(0)


def all_observed(values: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(values, dtype=torch.bool)


def test_without_a_season_it_is_the_loop_over_one_series() -> None:
    series = np.random.default_rng(1).standard_normal(40).cumsum()
    given = ThetaSkip(40, 7, 1)(row(series), all_observed(row(series)))
    np.testing.assert_allclose(given[0], by_loop(series, 7, np.zeros(1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_steps", [48, 46])
def test_with_a_season_it_is_the_loop_over_what_the_season_leaves(num_steps: int) -> None:
    series = seasonal_series()[-num_steps:]
    values = row(series)
    season = seasonal_profile(values, all_observed(values), 4)[0].double().numpy()
    given = ThetaSkip(num_steps, 9, 4)(values, all_observed(values))
    np.testing.assert_allclose(given[0], by_loop(series, 9, season), rtol=1e-4, atol=1e-4)


def test_the_profile_is_that_of_the_next_steps_and_sums_to_0() -> None:
    values = row(seasonal_series())
    profile = seasonal_profile(values, all_observed(values), 4)[0]
    torch.testing.assert_close(profile, torch.tensor([1.0, -0.5, 0.3, -0.8]), rtol=0.0, atol=0.1)
    assert profile.sum().item() == pytest.approx(0.0, abs=1e-5)


def test_the_moving_average_leaves_no_trend_in_the_profile() -> None:
    line = row(np.arange(24.0))
    wave = row(np.tile([1.0, -1.0, 0.5, -0.5], 6))
    known = all_observed(line)
    with_trend = seasonal_profile(line * 0.1 + wave, known, 4)
    torch.testing.assert_close(with_trend, seasonal_profile(wave, known, 4), rtol=0.0, atol=1e-5)


def test_noise_has_no_season_and_a_wave_has_one() -> None:
    torch.manual_seed(0)
    noise = torch.randn(400, 60)
    share = is_seasonal(noise, all_observed(noise), 6).float().mean().item()
    assert share < 0.15  # 10 % are to be expected by chance
    wave = row(np.tile([1.0, -1.0, 0.5, -0.5], 15))
    assert is_seasonal(wave, all_observed(wave), 4).all()


@pytest.mark.parametrize("season_length", [1, 7, 50])
def test_a_season_of_1_step_or_beyond_half_the_context_is_none(season_length: int) -> None:
    values = torch.randn(2, 12)
    assert not seasonal_profile(values, all_observed(values), season_length).any()


def test_steps_missing_on_the_left_change_nothing() -> None:
    series = seasonal_series()
    values, padded = row(series), torch.cat([torch.zeros(1, 12), row(series)], dim=1)
    known = torch.arange(60).unsqueeze(0) >= 12
    expected = ThetaSkip(48, 6, 4)(values, all_observed(values))
    torch.testing.assert_close(ThetaSkip(60, 6, 4)(padded, known), expected, rtol=1e-4, atol=1e-4)


def test_a_slope_with_gaps_is_that_of_the_observed_points() -> None:
    observed = torch.tensor([[True, False, True, True, False, True]])
    values = torch.where(observed, 3.0 - 0.5 * torch.arange(6), 0.0)
    assert slope(values, observed).item() == pytest.approx(-0.5, abs=1e-6)
    assert slope(torch.ones(1, 6), torch.tensor([[False] * 5 + [True]])).item() == 0.0


def test_a_row_without_values_is_finite() -> None:
    skip = ThetaSkip(24, 5, 4)
    assert skip(torch.zeros(1, 24), torch.zeros(1, 24, dtype=torch.bool)).isfinite().all()


def test_a_network_over_theta_follows_shift_and_stretch() -> None:
    network, context = awake_network(skip="theta", season_length=4), random_context(3, 24)
    expected = 1e3 * forecast(network, batch_of(context)) - 5
    given = forecast(network, batch_of(1e3 * context - 5))
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1.0)


@pytest.mark.parametrize("gap", [50, 400])
def test_the_level_outlasts_a_gap_of_any_length(gap: int) -> None:
    """Smoothing of a random walk follows its last value closely, and missing values after it change nothing."""
    walk = np.random.default_rng(2).standard_normal(60).cumsum()
    values = torch.zeros(1, 60 + gap)
    values[0, :60] = row(walk)
    observed = torch.arange(60 + gap).unsqueeze(0) < 60
    given = ThetaSkip(60 + gap, 1, 1)(values, observed)
    torch.testing.assert_close(given, ThetaSkip(60, 1, 1)(row(walk), all_observed(row(walk))), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 7, 64, 100])
def test_the_latest_observed_step_is_a_running_maximum(length: int) -> None:
    observed = torch.rand(6, length, generator=torch.Generator().manual_seed(0)) < 0.3
    observed[0], observed[1] = False, True
    expected = torch.where(observed, torch.arange(length), 0).cummax(dim=1).values
    assert torch.equal(latest_observed(observed), expected)
