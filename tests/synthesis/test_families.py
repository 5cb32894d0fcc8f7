"""The families of series: finite and repeatable whatever is asked for, and each what its name says."""

from __future__ import annotations

import pytest
import torch

from forecaster.config.cycles import Cycles
from forecaster.synthesis import CYCLE_WEIGHTS, FAMILIES, Draws, Order
from forecaster.synthesis.families import _spectral, counts, gaussian_process, regimes, smoothing, walks
from tests.synthesis.factories import EACH_CYCLES, EACH_FAMILY, SHORTEST, autocorrelation

HOURS = Cycles(24, 168)


def made(family: str, order: Order, seed: int = 0) -> torch.Tensor:
    return FAMILIES[family](Draws.seeded(seed), order)


@EACH_CYCLES
@EACH_FAMILY
def test_every_family_gives_finite_series_of_the_size_asked_for(family: str, cycles: Cycles) -> None:
    for num_series, num_steps in ((1, 1), (3, 2), (40, SHORTEST), (5, 400)):
        series = made(family, Order(num_series, num_steps, cycles))
        assert series.shape == (num_series, num_steps)
        assert series.dtype == torch.float32
        assert series.isfinite().all()


@EACH_FAMILY
def test_the_same_seed_gives_the_same_series_and_another_seed_others(family: str) -> None:
    order = Order(6, 60, HOURS)
    first, again, other = (made(family, order, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).any(dim=1).all()


@EACH_FAMILY
def test_series_of_one_order_differ_from_each_other(family: str) -> None:
    rows = made(family, Order(12, 200, HOURS))
    assert len({tuple(row) for row in rows.tolist()}) == 12


@EACH_FAMILY
def test_most_series_vary(family: str) -> None:
    for cycles in CYCLE_WEIGHTS:
        varies = made(family, Order(50, SHORTEST, cycles)).std(dim=1) > 1e-5
        assert varies.float().mean() >= 0.7  # of counts, some are all 0


@pytest.mark.parametrize("family", ["structural", "calendar", "smoothing"])
@pytest.mark.parametrize("cycles", [Cycles(12), HOURS, Cycles(7, 365)], ids=str)
def test_a_family_with_a_strong_season_repeats_itself_after_one(family: str, cycles: Cycles) -> None:
    series = made(family, Order(200, 960, cycles))
    season = cycles.season
    whole, half = (autocorrelation(series, lag).median().item() for lag in (season, season + season // 2))
    assert whole > 0.3
    assert abs(half) < 0.25


def test_a_calendar_of_hours_repeats_a_week_better_than_a_day() -> None:
    series = made("calendar", Order(200, 960, HOURS))
    day, week, other = (autocorrelation(series, lag).mean().item() for lag in (24, 168, 150))
    assert week > day + 0.05
    assert other < 0.1


@pytest.mark.parametrize("family", ["walks", "autoregressive", "regimes"])
def test_a_family_of_other_kinds_has_no_strong_season(family: str) -> None:
    series = made(family, Order(200, 960, HOURS))
    assert abs(autocorrelation(series, 24).median().item()) < 0.15


@EACH_CYCLES
def test_counts_are_whole_and_not_negative(cycles: Cycles) -> None:
    series = counts(Draws.seeded(0), Order(300, 120, cycles))
    assert (series >= 0).all()
    assert torch.equal(series, series.round())


def test_counts_reach_from_one_in_many_steps_to_hundreds() -> None:
    means = counts(Draws.seeded(0), Order(1000, 120, HOURS)).mean(dim=1)
    assert means.quantile(0.05) < 0.3
    assert means.quantile(0.95) > 100


@EACH_CYCLES
def test_gaussian_processes_have_variance_1(cycles: Cycles) -> None:
    paths = _spectral(Draws.seeded(0), Order(4000, 300, cycles))
    assert paths.mean().item() == pytest.approx(0.0, abs=0.05)
    assert paths.square().mean().item() == pytest.approx(1.0, abs=0.06)


def test_gaussian_processes_have_it_at_each_step() -> None:
    paths = _spectral(Draws.seeded(0), Order(6000, 200, HOURS))
    variance = paths.square().mean(dim=0)
    assert (variance - 1).abs().max() < 0.1


def test_the_ends_of_a_gaussian_process_do_not_meet() -> None:
    paths = _spectral(Draws.seeded(0), Order(4000, 200, Cycles()))
    near, ends = ((paths[:, 0] * paths[:, place]).mean().item() for place in (1, -1))
    assert near > 0.6
    assert ends < 0.1


@EACH_CYCLES
def test_gaussian_processes_without_a_line_are_of_size_1(cycles: Cycles) -> None:
    series = gaussian_process(Draws.seeded(0), Order(200, 120, cycles))
    assert ((series.std(dim=1, unbiased=False) - 1).abs() < 1e-3).float().mean() > 0.35  # half of them have a line


def test_priced_walks_and_grown_series_stay_above_0() -> None:
    order = Order(200, 300, HOURS)
    for family, share in ((walks, 0.5), (smoothing, 0.4)):
        positive = (family(Draws.seeded(0), order) > 0).all(dim=1).float().mean().item()
        assert share - 0.15 < positive < share + 0.3


def test_regimes_jump_far_beyond_their_usual_moves() -> None:
    series = regimes(Draws.seeded(0), Order(300, 300, Cycles()))
    moves = series.diff(dim=1).abs()
    typical, largest = moves.median(dim=1).values, moves.amax(dim=1)
    assert (largest > 4 * typical).float().mean() > 0.5
