"""The mixture: all families in equal shares, in random order, with what is lost marked as such."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from forecaster.config.cycles import Cycles
from forecaster.synthesis import FAMILIES, Draws, Order, Synthetic, synthesize
from tests.synthesis.factories import EACH_CYCLES, SHORTEST

HOURS = Cycles(24, 168)


def made(num_series: int = 60, num_steps: int = 100, cycles: Cycles = HOURS, seed: int = 0) -> Synthetic:
    return synthesize(Draws.seeded(seed), Order(num_series, num_steps, cycles))


@EACH_CYCLES
@pytest.mark.parametrize("num_steps", [2, SHORTEST, 300])
def test_the_mixture_is_finite_and_of_the_size_asked_for(num_steps: int, cycles: Cycles) -> None:
    for num_series in (1, 7, 32):
        found = made(num_series, num_steps, cycles)
        assert found.values.shape == found.observed.shape == (num_series, num_steps)
        assert (found.values.dtype, found.observed.dtype) == (torch.float32, torch.bool)
        assert found.values.isfinite().all()
        assert found.values.abs().max() <= 1e4


def test_the_same_draws_give_the_same_series_and_others_others() -> None:
    first, again, other = (made(seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.observed, again.observed)
    assert not torch.equal(first.values, other.values)


def test_draws_go_on_so_that_no_series_is_seen_twice() -> None:
    draws, order = Draws.seeded(0), Order(20, 50, HOURS)
    first, second = synthesize(draws, order), synthesize(draws, order)
    assert not {tuple(row) for row in first.values.tolist()} & {tuple(row) for row in second.values.tolist()}


@EACH_CYCLES
def test_what_is_not_observed_is_0_and_each_series_is_seen_in_part(cycles: Cycles) -> None:
    found = made(400, 60, cycles)
    assert not found.observed.all()
    assert (found.values[~found.observed] == 0).all()
    assert found.observed.any(dim=1).all()


class Recorder:
    """Families that note how many series each is asked for, and give one wave of its own number of turns."""

    def __init__(self) -> None:
        self.shares: dict[str, int] = {}

    def family(self, number: int, name: str) -> Callable[[Draws, Order], torch.Tensor]:
        def record(draws: Draws, order: Order) -> torch.Tensor:
            self.shares[name] = order.num_series
            turns = (number + 1) * torch.arange(order.num_steps) / order.num_steps
            return torch.cos(2 * torch.pi * turns).repeat(order.num_series, 1)

        return record


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    for number, name in enumerate(FAMILIES):
        monkeypatch.setitem(FAMILIES, name, recorder.family(number, name))
    return recorder


@pytest.mark.parametrize(("num_series", "expected"), [(27, [3] * 9), (20, [3, 3, *[2] * 7]), (4, [1] * 4)])
def test_all_families_have_equal_shares(recorder: Recorder, num_series: int, expected: list[int]) -> None:
    assert len(made(num_series).values) == num_series
    assert recorder.shares == dict(zip(FAMILIES, expected, strict=False))


def families_of(found: Synthetic) -> torch.Tensor:
    """Gives for each series the family [S] whose wave is the strongest in it."""
    return torch.fft.rfft(found.values, dim=1).abs()[:, 1:10].argmax(dim=1)


def test_series_come_in_random_order(recorder: Recorder) -> None:
    families = families_of(made(9 * 40, 64))
    for begin in range(0, 9 * 40, 40):
        assert len(families[begin : begin + 40].unique()) >= 6
    counts = families.bincount(minlength=9)
    assert counts.min() >= 25  # of forty, some of which are mixed with others
    assert counts.max() <= 60


def test_some_series_are_mixed_with_their_neighbour(recorder: Recorder) -> None:
    found = made(900, 64)
    power = torch.fft.rfft(found.values, dim=1).abs()[:, 1:10].square()
    others = 1 - power.amax(dim=1) / power.sum(dim=1)
    assert 0.05 < (others > 0.1).float().mean() < 0.35
