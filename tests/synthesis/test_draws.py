"""Draws: they keep their ranges and shares, and depend on their seed alone."""

from __future__ import annotations

import math

import pytest
import torch

from forecaster.synthesis import Draws

NUM = 20_000


@pytest.fixture
def draws() -> Draws:
    return Draws.seeded(0)


def test_uniform_numbers_keep_to_their_range(draws: Draws) -> None:
    numbers = draws.uniform(-2.0, 3.0, NUM)
    assert -2.0 <= numbers.min() < -1.99
    assert 2.99 < numbers.max() <= 3.0
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.05)


def test_the_logarithms_of_log_uniform_numbers_are_evenly_spread(draws: Draws) -> None:
    numbers = draws.log_uniform(0.01, 100.0, NUM)
    assert numbers.min() >= 0.0099
    assert numbers.max() <= 100.1
    assert (numbers < 1.0).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_whole_numbers_include_both_ends(draws: Draws) -> None:
    assert draws.integers(3, 5, 200).unique().tolist() == [3, 4, 5]


def test_chances_come_true_in_their_share(draws: Draws) -> None:
    assert draws.chance(0.2, NUM).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert not draws.chance(0.0, NUM).any()
    assert draws.chance(1.0, NUM).all()


def test_rows_are_chosen_in_their_share_each_once_and_in_order(draws: Draws) -> None:
    rows = draws.rows(0.25, 4000)
    assert len(rows) / 4000 == pytest.approx(0.25, abs=0.03)
    assert torch.equal(rows, rows.unique())
    assert rows.max() < 4000
    assert not len(draws.rows(0.25, 0))


def test_a_larger_tail_makes_outliers_more_common(draws: Draws) -> None:
    def kurtosis(tail: float) -> float:
        numbers = draws.heavy(torch.full((1,), tail), NUM).double()
        return (numbers.pow(4).mean() / numbers.square().mean().square()).item()

    assert kurtosis(0.0) == pytest.approx(3.0, abs=0.3)
    assert kurtosis(0.6) == pytest.approx(3.0 * math.exp(4 * 0.36), rel=0.4)  # of normals of log-normal scale


def test_counts_have_the_mean_of_their_rate(draws: Draws) -> None:
    assert draws.poisson(torch.full((NUM,), 4.0)).mean().item() == pytest.approx(4.0, abs=0.1)


def test_draws_do_not_touch_the_random_state_of_torch(draws: Draws) -> None:
    before = torch.get_rng_state()
    draws.normal(3)
    draws.poisson(torch.ones(3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 2**31, 2**62, 2**63 - 1])
def test_each_seed_has_numbers_of_its_own(seed: int) -> None:
    assert torch.equal(Draws.seeded(seed).normal(5), Draws.seeded(seed).normal(5))
    assert not torch.equal(Draws.seeded(seed).normal(5), Draws.seeded(seed - 1 if seed else 1).normal(5))
