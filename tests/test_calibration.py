"""Calibration: makes held-out coverage true where windows are enough, keeps the median and the order of levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forecaster.calibration import Calibration, HeldOut, calibrate
from forecaster.sample_paths import MAX_TEMPLATES

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def held_out(
    num_windows: int, horizon: int, seed: int = 0, width: float = 1.0, growth: float = 1.0, num_series: int = 5
) -> HeldOut:
    """Quantiles of N(0, width) for normal errors whose spread grows linearly from 1 to `growth` over the horizon."""
    rng = np.random.default_rng(seed)
    quantiles = np.broadcast_to(width * norm.ppf(LEVELS), (num_windows, horizon, len(LEVELS))).copy()
    target = rng.standard_normal((num_windows, horizon)) * np.linspace(1.0, growth, horizon)
    numbers = np.arange(num_windows)
    return HeldOut(quantiles, target, LEVELS, numbers % num_series, numbers // num_series)


def adjusted(calibration: Calibration, quantiles: np.ndarray, levels: tuple[float, ...] = LEVELS) -> np.ndarray:
    """Applies a calibration to forecasts known at LEVELS and linear between them."""

    def quantiles_at(wanted: object) -> torch.Tensor:
        flat = quantiles.reshape(-1, len(LEVELS))
        rows = np.stack([np.interp(wanted, LEVELS, row) for row in flat])  # type: ignore[call-overload]
        return torch.from_numpy(rows.reshape(*quantiles.shape[:2], -1))

    return calibration.adjusted(quantiles_at, levels).numpy()


def coverage(quantiles: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Gives the share of targets within the 80 % interval at each step [H]."""
    return ((target >= quantiles[..., 0]) & (target <= quantiles[..., -1])).mean(axis=0)


@pytest.mark.parametrize(("width", "growth"), [(0.5, 1.0), (0.6, 2.0), (1.0, 3.0), (2.0, 1.0)])
def test_fresh_data_is_covered_as_promised_at_every_step(width: float, growth: float) -> None:
    calibration = calibrate(held_out(1200, 6, 0, width, growth))
    fresh = held_out(10_000, 6, 1, width, growth)
    assert np.abs(coverage(fresh.quantiles, fresh.target) - 0.8).max() > 0.1
    # The deviations of single steps are drawn towards the factor of all.
    assert np.abs(coverage(adjusted(calibration, fresh.quantiles), fresh.target) - 0.8).max() < 0.045


def test_the_factor_of_many_windows_is_the_one_computed_by_hand() -> None:
    windows = held_out(4000, 1, width=0.5)
    half = 0.5 * norm.ppf(0.9)
    expected = np.quantile(np.abs(windows.target) / half, 0.8)
    # se^2 = 0.5^2 / 4000 + 0.2^2 / 800, or the jackknife's where that is more; expected deviation 0.5
    shrink = 0.25 / (0.25 + 0.25 / 4000 + 0.04 / 800)
    assert calibrate(windows).factors[0] == pytest.approx(math.exp(shrink * math.log(expected)), rel=2e-3)


def test_few_windows_move_intervals_less_than_many() -> None:
    factors = [calibrate(held_out(num_windows, 6, width=0.5)).factors.mean() for num_windows in (5, 20, 100, 1000)]
    assert 1.2 < factors[0] < factors[1] < factors[2] < factors[3] + 0.1
    assert factors[3] == pytest.approx(2.0, abs=0.1)


def test_narrowing_is_believed_later_than_widening() -> None:
    wider, narrower = (calibrate(held_out(40, 6, width=width)).factors.mean() for width in (0.5, 2.0))
    assert abs(math.log(wider)) > 1.3 * abs(math.log(narrower)) > 0


def test_overlapping_windows_count_as_one() -> None:
    few = held_out(10, 8, width=0.5)
    repeated = HeldOut(
        *(np.repeat(array, 50, axis=0) for array in (few.quantiles, few.target)), LEVELS,
        *(np.repeat(array, 50) for array in (few.series, few.stretches)),
    )  # fmt: skip
    np.testing.assert_allclose(calibrate(repeated).factors, calibrate(few).factors, rtol=0.05)


def test_the_median_stays_and_a_bias_is_not_mistaken_for_it() -> None:
    windows = held_out(500, 4, width=0.5)
    shifted = HeldOut(windows.quantiles, windows.target + 3, LEVELS, windows.series, windows.stretches)
    after = adjusted(calibrate(shifted), windows.quantiles)
    np.testing.assert_array_equal(after[:, :, 2], windows.quantiles[:, :, 2])
    np.testing.assert_allclose(after[:, :, 2] - after[:, :, 0], after[:, :, 4] - after[:, :, 2])
    assert (np.diff(after, axis=2) >= 0).all()


def test_missing_targets_do_not_count() -> None:
    windows = held_out(600, 1, width=0.5)
    holes = np.random.default_rng(0).random(600) < 0.5
    kept = np.where(holes[:, None], np.nan, windows.target)
    with_holes = HeldOut(windows.quantiles, kept, LEVELS, windows.series, windows.stretches)
    np.testing.assert_allclose(calibrate(with_holes).factors, calibrate(windows.part(~holes)).factors, rtol=0.02)


def test_nothing_to_learn_from_leaves_forecasts_as_they_are() -> None:
    windows = held_out(5, 4)
    empty = HeldOut(windows.quantiles, np.full((5, 4), np.nan), LEVELS, windows.series, windows.stretches)
    calibration = calibrate(empty)
    assert (calibration.factors == 1).all()
    assert calibration.templates.shape == (0, 4)
    assert calibration.coverage_before is None
    constant = HeldOut(np.zeros((5, 4, 5)), windows.target, LEVELS, windows.series, windows.stretches)
    assert (calibrate(constant).factors == 1).all()


@pytest.mark.parametrize("levels", [(0.5,), (0.1, 0.3), (0.7, 0.9)])
def test_levels_on_one_side_only_are_left_as_they_are(levels: tuple[float, ...]) -> None:
    windows = held_out(200, 4)
    quantiles = np.broadcast_to(norm.ppf(levels), (200, 4, len(levels)))
    calibration = calibrate(HeldOut(quantiles, windows.target, levels, windows.series, windows.stretches))
    assert (calibration.factors == 1).all()


def test_widths_are_kept_where_that_is_wanted_and_templates_learned_all_the_same() -> None:
    calibration = calibrate(held_out(400, 4, width=0.5), keep_widths=True)
    assert (calibration.factors == 1).all()
    assert calibration.templates.shape == (MAX_TEMPLATES, 4)


def test_coverage_is_told_before_and_after_on_windows_not_learned_from() -> None:
    calibration = calibrate(held_out(2000, 6, width=0.5))
    assert calibration.coverage_before == pytest.approx(2 * norm.cdf(0.5 * norm.ppf(0.9)) - 1, abs=0.02)
    assert calibration.coverage_after == pytest.approx(0.8, abs=0.02)
    single = held_out(5, 6)
    assert calibrate(single).coverage_after is None  # one stretch: nothing is left to judge by


def test_factors_do_not_depend_on_the_unit_of_scaled_space() -> None:
    windows = held_out(100, 6, width=0.7)
    larger = HeldOut(1e3 * windows.quantiles, 1e3 * windows.target, LEVELS, windows.series, windows.stretches)
    np.testing.assert_allclose(calibrate(larger).factors, calibrate(windows).factors, rtol=1e-9)


def test_a_long_horizon_is_learned_in_parts() -> None:
    factors = calibrate(held_out(400, 300, width=1.0, growth=3.0)).factors
    assert factors.shape == (300,)
    assert (np.diff(factors) >= -1e-9).mean() > 0.9
    assert factors[-1] > 2.0 * factors[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.05, 5), min_size=2, max_size=2), st.integers(0, 100))
def test_adjusted_quantiles_never_cross_and_do_not_depend_on_what_else_is_asked(
    factors: list[float], seed: int
) -> None:
    calibration = Calibration(0.5, np.array(factors))
    quantiles = np.sort(np.random.default_rng(seed).normal(size=(3, 2, 5)), axis=2)
    levels = tuple(np.linspace(0.1, 0.9, 23))
    together = adjusted(calibration, quantiles, levels)
    assert (np.diff(together, axis=2) >= 0).all()
    for position in (0, 7, 11, 22):
        alone = adjusted(calibration, quantiles, levels[position : position + 1])
        np.testing.assert_array_equal(alone[:, :, 0], together[:, :, position])


def test_distances_from_the_anchor_are_multiplied() -> None:
    calibration = Calibration(0.5, np.array([2.0, 0.5]))
    given = calibration.adjusted(lambda wanted: torch.tensor(wanted).expand(1, 2, -1), (0.25, 0.75))
    torch.testing.assert_close(given, torch.tensor([[[0.0, 1.0], [0.375, 0.625]]]))
