"""Whether one forecaster is better than another: what is certain, what is not, and how often that is wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from forecaster.comparison import gain
from tests.simulated_losses import Losses, losses

NAN = math.nan


def of_windows(challenger: list[float], champion: list[float], **groups: list[int]) -> Any:
    places = list(range(len(challenger)))
    series, fold = groups.get("series", places), groups.get("fold", [0] * len(places))
    return gain(np.array(challenger), np.array(champion), np.array(series), np.array(fold))


def is_certain(given: Losses) -> bool:
    found = gain(*given, confidence=0.975)
    assert found is not None
    return found.is_certain


def test_what_is_a_tenth_better_everywhere_is_certain() -> None:
    found = of_windows([0.9, 1.8, 4.5], [1.0, 2.0, 5.0])
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (found.is_certain, found.num_series, found.num_folds) == (True, 3, 1)


def test_two_that_are_the_same_are_no_gain() -> None:
    found = of_windows([1.0, 2.0], [1.0, 2.0])
    assert (found.mean, found.low, found.high, found.is_certain) == (0.0, 0.0, 0.0, False)


def test_the_other_way_round_the_same_ratio_is_turned_over() -> None:
    ours, theirs, series, fold = losses(np.random.default_rng(1), 10, 4, better_by=0.2)
    one, other = gain(ours, theirs, series, fold), gain(theirs, ours, series, fold)
    assert one is not None and other is not None
    assert (1 - one.mean) * (1 - other.mean) == pytest.approx(1)
    assert (1 - one.low) * (1 - other.high) == pytest.approx(1, rel=0.02)


def test_what_is_better_by_chance_is_not_certain() -> None:
    found = of_windows([0.5, 3.0, 0.4, 1.9], [1.0, 2.0, 1.0, 2.0])
    assert found.mean > 0
    assert found.low < 0 < found.high


def test_windows_that_are_not_scored_take_no_part() -> None:
    assert of_windows([0.9, NAN, 1.8], [1.0, 2.0, 2.0]) == of_windows([0.9, 1.8], [1.0, 2.0])


def test_what_lost_infinitely_much_does_not_make_another_one_good() -> None:
    theirs = [math.inf, *[1.0] * 9]
    assert of_windows([2.0] * 10, theirs) == of_windows([2.0] * 9, [1.0] * 9)
    worst = of_windows(theirs, [2.0] * 10)
    assert (worst.mean, worst.low, worst.high) == (-math.inf, -math.inf, -math.inf)


@pytest.mark.parametrize(
    ("challenger", "champion"), [([NAN], [1.0]), ([1.0], [NAN]), ([1.0], [0.0]), ([1.0], [math.inf]), ([], [])]
)
def test_what_cannot_be_compared_has_no_gain(challenger: list[float], champion: list[float]) -> None:
    assert of_windows(challenger, champion) is None


def test_a_single_window_says_nothing_for_certain() -> None:
    found = of_windows([0.1], [1.0])
    assert (found.mean, found.low, found.high) == (0.9, -math.inf, pytest.approx(1.0))


def test_nothing_lost_at_all_is_all_gained() -> None:
    found = of_windows([0.0, 0.0], [1.0, 2.0])
    assert (found.mean, found.low, found.high) == (1.0, 1.0, 1.0)


def test_windows_of_one_series_count_less_than_as_many_series() -> None:
    ours, theirs, series, _ = losses(np.random.default_rng(0), 12, 1, better_by=0.1)
    alone = np.zeros_like(series)
    each, repeated = np.arange(36), np.tile(series, 3)
    apart = gain(np.tile(ours, 3), np.tile(theirs, 3), each, np.zeros(36, dtype=int))
    together = gain(np.tile(ours, 3), np.tile(theirs, 3), repeated, np.zeros(36, dtype=int))
    once = gain(ours, theirs, series, alone)
    assert apart is not None and together is not None and once is not None
    assert together.low == pytest.approx(once.low)  # what is said three times is as if it were said once
    assert apart.low > together.low


def test_what_a_whole_fold_is_kind_to_is_not_certain_however_many_series_there_are() -> None:
    draw = np.random.default_rng(0)
    series, fold = (places.ravel() for places in np.indices((200, 3)))
    kind = np.array([0.7, 1.0, 0.98])[fold]
    theirs = np.exp(draw.normal(0, 0.1, 600))
    ours = theirs * kind * np.exp(draw.normal(0, 0.05, 600))
    found = gain(ours, theirs, series, fold)
    assert found is not None
    assert found.mean > 0.1
    assert not found.is_certain


def test_the_result_is_always_the_same() -> None:
    given = losses(np.random.default_rng(3), 8, 3)
    assert gain(*given) == gain(*given)


@pytest.mark.parametrize(("num_series", "num_folds"), [(30, 4), (60, 6)])
def test_no_gain_is_seldom_taken_for_one(num_series: int, num_folds: int) -> None:
    draw = np.random.default_rng(0)
    wrong = sum(is_certain(losses(draw, num_series, num_folds)) for _ in range(100))
    assert wrong <= 6


def test_a_tenth_is_mostly_found() -> None:
    draw = np.random.default_rng(0)
    found = sum(is_certain(losses(draw, 60, 8, better_by=0.1)) for _ in range(100))
    assert found >= 90
