"""What families are put together from: cycles that return, and recursions that are what their formula says."""

from __future__ import annotations

import pytest
import torch

from forecaster.config.cycles import Cycles
from forecaster.synthesis import Draws, Order
from forecaster.synthesis.parts import longer_cycle, periodic, recursion, seasons, slow_path, standardised, trend, waves
from tests.synthesis.factories import EACH_CYCLES


@pytest.mark.parametrize("num_lags", [1, 2, 3])
def test_a_recursion_is_its_formula_step_by_step(num_lags: int) -> None:
    draws = Draws.seeded(0)
    shocks, weights = draws.normal(4, 30), draws.uniform(-0.5, 0.5, 4, num_lags)
    expected = torch.zeros(4, 30)
    for row in range(4):
        for step in range(30):
            value = shocks[row, step].item()
            for lag in range(1, num_lags + 1):
                value += weights[row, lag - 1].item() * (expected[row, step - lag].item() if step >= lag else 0.0)
            expected[row, step] = value
    torch.testing.assert_close(recursion(shocks, weights), expected, rtol=1e-5, atol=1e-6)


def test_a_recursion_by_hand() -> None:
    shocks, weights = torch.tensor([[1.0, 0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25]])
    assert recursion(shocks, weights).tolist() == [[1.0, 0.5, 0.5, 1.375]]


@pytest.mark.parametrize("period", [2, 5, 12, 24, 365])
def test_a_cycle_returns_exactly_and_has_deviation_1(period: int) -> None:
    series = periodic(Draws.seeded(0), 30, 3 * period, period)
    assert torch.equal(series[:, period:], series[:, :-period])
    torch.testing.assert_close(series.mean(dim=1), torch.zeros(30), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(series.std(dim=1, unbiased=False), torch.ones(30), rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("period", [0, 1])
def test_no_cycle_is_0(period: int) -> None:
    assert not periodic(Draws.seeded(0), 3, 10, period).any()


def test_cycles_begin_at_any_of_their_phases() -> None:
    series = periodic(Draws.seeded(0), 300, 4, 4)
    assert set(series.argmax(dim=1).tolist()) == {0, 1, 2, 3}


@EACH_CYCLES
def test_seasons_are_finite_even_where_a_cycle_is_longer_than_the_series(cycles: Cycles) -> None:
    series = seasons(Draws.seeded(0), Order(50, 20, cycles))
    assert series.shape == (50, 20)
    assert series.isfinite().all()


def test_three_series_in_ten_have_a_longer_cycle_and_the_others_none() -> None:
    series = longer_cycle(Draws.seeded(0), Order(1000, 400, Cycles(7, 100)))
    assert (series.abs().amax(dim=1) > 0).float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert not longer_cycle(Draws.seeded(0), Order(20, 50, Cycles(12))).any()


def test_no_longer_cycle_is_quite_like_the_one_before_and_half_become_another() -> None:
    series = longer_cycle(Draws.seeded(0), Order(2000, 500, Cycles(7, 100)))
    first, last = (standardised(part) for part in (series[:, :100], series[:, -100:]))
    had = series.abs().amax(dim=1) > 0
    alike = (first[had] * last[had]).mean(dim=1)
    assert (series[had, :100] - series[had, -100:]).abs().amax(dim=1).min() > 1e-4
    assert 0.4 < (alike > 0.9).float().mean() < 0.85  # the same shape, of another size, or not yet another one
    assert (alike < 0.5).float().mean() > 0.05


def test_without_a_cycle_some_series_follow_waves_and_the_others_nothing() -> None:
    moves = seasons(Draws.seeded(0), Order(500, 100, Cycles())).abs().amax(dim=1) > 0
    assert 0.3 < moves.float().mean() < 0.5


def test_standardised_rows_have_mean_0_and_deviation_1_and_constant_ones_are_0() -> None:
    rows = torch.stack([torch.arange(8.0), 1e6 + torch.tensor([0.0, 8.0]).repeat(4), torch.full((8,), 3.0)])
    scaled = standardised(rows)
    torch.testing.assert_close(scaled.mean(dim=1), torch.zeros(3), rtol=0.0, atol=1e-6)
    torch.testing.assert_close(scaled.std(dim=1, unbiased=False), torch.tensor([1.0, 1.0, 0.0]), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("num_steps", [1, 2, 22, 500])
def test_trends_waves_and_slow_paths_are_finite_at_any_length(num_steps: int) -> None:
    for part in (trend, waves, slow_path):
        series = part(Draws.seeded(0), 40, num_steps)
        assert series.shape == (40, num_steps)
        assert series.isfinite().all()


def test_slow_paths_move_in_small_steps() -> None:
    paths = slow_path(Draws.seeded(0), 400, 501)
    assert paths.std().item() == pytest.approx(0.8, abs=0.15)  # between two knots a mean of both is smaller than 1
    assert paths.diff(dim=1).abs().max() < 0.1  # a hundred steps from knot to knot
