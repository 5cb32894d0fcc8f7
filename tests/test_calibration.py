"""Calibration: makes held-out coverage true, leaves the median alone, never lets levels cross."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forecaster.calibration import Calibration, calibrate

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def too_narrow(num_windows: int, horizon: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of N(0, 0.5) for targets that spread more with each step, and are skewed."""
    rng = np.random.default_rng(seed)
    quantiles = np.broadcast_to(0.5 * norm.ppf(LEVELS), (num_windows, horizon, len(LEVELS))).copy()
    noise = rng.gamma(2.0, 1.0, (num_windows, horizon)) - 1.678  # median 0, skewed to the right
    return quantiles, noise * np.linspace(0.5, 2.0, horizon)


def shares_below(quantiles: np.ndarray, target: np.ndarray) -> np.ndarray:
    return (target[:, :, None] <= quantiles).mean(axis=0)


def adjusted(calibration: Calibration, quantiles: np.ndarray, levels: tuple[float, ...] = LEVELS) -> np.ndarray:
    """Applies a calibration to forecasts known at LEVELS and linear between them."""

    def quantiles_at(wanted: object) -> torch.Tensor:
        flat = quantiles.reshape(-1, len(LEVELS))
        rows = np.stack([np.interp(wanted, LEVELS, row) for row in flat])  # type: ignore[call-overload]
        return torch.from_numpy(rows.reshape(*quantiles.shape[:2], -1))

    return calibration.adjusted(quantiles_at, levels).numpy()


def test_fresh_data_is_covered_as_promised_at_every_step() -> None:
    calibration = calibrate(*too_narrow(4000, 6, seed=0), LEVELS, 4000)
    quantiles, target = too_narrow(20_000, 6, seed=1)
    before = shares_below(quantiles, target)
    after = shares_below(adjusted(calibration, quantiles), target)
    assert np.abs(before - LEVELS).max() > 0.2
    assert np.abs(after - LEVELS).max() < 0.03


def test_the_median_stays() -> None:
    quantiles, target = too_narrow(500, 4, seed=0)
    after = adjusted(calibrate(quantiles, target + 3, LEVELS, 500), quantiles)
    np.testing.assert_array_equal(after[:, :, 2], quantiles[:, :, 2])
    assert (np.diff(after, axis=2) >= 0).all()


def test_offsets_computed_by_hand() -> None:
    target = np.tile(np.arange(201.0)[:, None], (1, 1))
    calibration = calibrate(np.zeros((201, 1, 5)), target, LEVELS, 201)
    np.testing.assert_allclose(calibration.offsets, [[19.2, 59.6, 0, 140.4, 180.8]])  # rank 202 x level


def test_missing_targets_do_not_count() -> None:
    quantiles, target = too_narrow(600, 3, seed=0)
    holes = np.random.default_rng(0).random(target.shape) < 0.5
    kept = calibrate(quantiles, np.where(holes, np.nan, target), LEVELS, 600).offsets[0]
    only = calibrate(quantiles[~holes[:, 0]][:, :1], target[~holes[:, 0]][:, :1], LEVELS, 600).offsets[0]
    np.testing.assert_allclose(kept, only)


def test_steps_with_few_residuals_borrow_from_their_neighbours() -> None:
    quantiles, target = too_narrow(10, 50, seed=0)
    offsets = calibrate(quantiles, target, LEVELS, 100).offsets
    assert np.abs(np.diff(offsets, axis=0)).max() < 0.5 * np.abs(offsets).max()


@pytest.mark.parametrize(("num_disjoint", "learned"), [(33, []), (34, [1, 3]), (99, [1, 3]), (100, [0, 1, 3, 4])])
def test_tails_beyond_what_disjoint_windows_can_tell_move_with_the_level_inside(
    num_disjoint: int, learned: list[int]
) -> None:
    target = np.arange(201.0)[:, None]
    (offsets,) = calibrate(np.zeros((201, 1, 5)), target, LEVELS, num_disjoint).offsets
    full = np.array([19.2, 59.6, 0, 140.4, 180.8])
    for position in range(5):
        inside = [p for p in learned if abs(p - 2) <= abs(position - 2) and (p - 2) * (position - 2) > 0]
        expected = full[max(inside, key=lambda p: abs(p - 2))] if inside else 0.0
        assert offsets[position] == pytest.approx(expected)


def test_few_residuals_do_not_narrow_intervals() -> None:
    quantiles = np.broadcast_to(norm.ppf(LEVELS), (10, 5, len(LEVELS)))
    assert not calibrate(quantiles, np.zeros((10, 5)), LEVELS, 10).offsets.any()


def test_nothing_to_learn_from_leaves_forecasts_as_they_are() -> None:
    quantiles, _ = too_narrow(5, 4, seed=0)
    calibration = calibrate(quantiles, np.full((5, 4), np.nan), LEVELS, 5)
    np.testing.assert_array_equal(adjusted(calibration, quantiles), quantiles)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=5, max_size=5), st.integers(0, 100))
def test_adjusted_quantiles_never_cross_and_do_not_depend_on_what_else_is_asked(
    offsets: list[float], seed: int
) -> None:
    calibration = Calibration(LEVELS, np.array([offsets, offsets[::-1]]))
    quantiles = np.sort(np.random.default_rng(seed).normal(size=(3, 2, 5)), axis=2)
    levels = tuple(np.linspace(0.1, 0.9, 23))
    together = adjusted(calibration, quantiles, levels)
    assert (np.diff(together, axis=2) >= 0).all()
    for position in (0, 7, 11, 22):
        alone = adjusted(calibration, quantiles, levels[position : position + 1])
        np.testing.assert_allclose(alone[:, :, 0], together[:, :, position], atol=1e-12)


def test_offsets_are_linear_between_levels_and_constant_outside() -> None:
    calibration = Calibration((0.2, 0.4), np.array([[-3.0, 0.0]]))
    given = calibration.adjusted(lambda wanted: torch.zeros(1, 1, len(wanted)), (0.1, 0.2, 0.3, 0.9))
    assert given.flatten().tolist() == pytest.approx([-3.0, -3.0, -1.5, 0.0])
