"""Disturbances: what comes out is of size 1, and only as much is lost as is said."""

from __future__ import annotations

import pytest
import torch

from forecaster.synthesis import Draws
from forecaster.synthesis.disturbances import disturbed, missing


def lines(num_series: int, num_steps: int) -> torch.Tensor:
    return torch.arange(num_steps, dtype=torch.float32).repeat(num_series, 1)


@pytest.mark.parametrize("num_steps", [2, 22, 300])
def test_what_is_disturbed_has_mean_0_and_size_1(num_steps: int) -> None:
    draws = Draws.seeded(0)
    series = disturbed(draws, 1e4 * draws.normal(400, num_steps) + 7e4)
    varies = series.abs().amax(dim=1) > 0
    assert varies.float().mean() > 0.9
    torch.testing.assert_close(series.mean(dim=1), torch.zeros(400), rtol=0.0, atol=1e-4)
    assert ((series[varies].std(dim=1, unbiased=False) - 1).abs() < 1e-3).all()


def test_most_series_are_left_as_they_are_and_some_are_not() -> None:
    plain = (lines(1000, 101) - 50) / lines(1, 101).std(unbiased=False)
    untouched = (disturbed(Draws.seeded(0), lines(1000, 101)) - plain).abs().amax(dim=1) < 1e-3
    assert 0.45 < untouched.float().mean() < 0.7  # 0.9 x 0.92 x 0.9 x 0.92 x 0.92 x 0.9 = 0.57


def test_a_tenth_is_turned_upside_down() -> None:
    falls = disturbed(Draws.seeded(0), lines(2000, 50)).diff(dim=1).mean(dim=1) < 0
    assert falls.float().mean().item() == pytest.approx(0.1, abs=0.04)


def test_constant_series_and_what_is_no_number_stay_finite() -> None:
    rows = torch.stack([torch.full((30,), 5.0), torch.zeros(30), torch.tensor([1e30, -1e30] * 15)])
    series = disturbed(Draws.seeded(0), rows.repeat(50, 1))
    assert series.isfinite().all()
    assert series.abs().max() <= 1e4


def test_a_fifth_of_the_series_loses_steps_and_none_more_than_it_keeps() -> None:
    lost = missing(Draws.seeded(0), 3000, 200)
    share = lost.float().mean(dim=1)
    assert (share > 0).float().mean().item() == pytest.approx(0.19, abs=0.03)
    assert share.max() < 0.65  # three in ten of them one by one, and three in ten in a stretch
    assert lost.shape == (3000, 200)


def test_some_lose_a_whole_stretch() -> None:
    lost = missing(Draws.seeded(0), 1000, 200)
    stretches = lost & (lost.float().diff(dim=1, prepend=torch.zeros(1000, 1)) <= 0)
    assert (stretches.sum(dim=1) > 15).any()
