"""How two stretches of a series differ: numbers that are known, and what must change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.arrays import FloatArray
from forecaster.drift.seasons import MEASURES, Seasons, Stretches

SEASON = 4


def differences(
    target: FloatArray, reference: int, before: tuple[int, int], after: tuple[int, int]
) -> dict[str, float]:
    seasons = Seasons.of(np.asarray(target, dtype=float), reference, SEASON)
    stretches = (Stretches(np.array([begin]), np.array([end])) for begin, end in (before, after))
    return dict(zip(MEASURES, seasons.differences(*stretches)[0].tolist(), strict=True))


def zigzag(num_seasons: int) -> FloatArray:
    """Seasons of 0 0 4 4 and 2 2 6 6 in turn: each value is 2 away from that a season before, which is the unit."""
    return np.concatenate([np.array([0.0, 0, 4, 4]) + 2 * (number % 2) for number in range(num_seasons)])


def test_a_level_is_told_in_mean_seasonal_differences() -> None:
    raised = np.concatenate([zigzag(8), zigzag(4) + 3])
    found = differences(raised, 32, (4, 8), (8, 12))
    assert found["level"] == pytest.approx(1.5)
    assert [found[name] for name in ("shape", "missing", "distribution")] == pytest.approx([0, 0, 0])


def test_a_spread_is_told_as_the_logarithm_of_a_ratio() -> None:
    wider = np.concatenate([zigzag(8), 1.5 * zigzag(4)])
    found = differences(
        wider, 32, (2, 4), (10, 12)
    )  # of differences of 2 and of 3, a hundredth of a unit added to both
    assert found["spread"] == pytest.approx(np.log(1.51 / 1.01))


def test_a_shape_is_told_beside_the_level() -> None:
    shifted = np.concatenate([zigzag(8), np.roll(zigzag(4), 1)])
    found = differences(shifted, 32, (4, 8), (9, 11))
    # 0 0 4 4 has become 4 0 0 4, around the same level: two phases of four have moved by 4, which are two units.
    assert found["shape"] == pytest.approx(1.0, abs=0.3)
    assert found["level"] == pytest.approx(0.0, abs=0.3)


def test_missing_values_are_told_as_a_share_and_are_no_other_difference() -> None:
    target = zigzag(12)
    target[[33, 34, 38, 41]] = np.nan
    found = differences(target, 32, (4, 8), (8, 12))
    assert found["missing"] == pytest.approx(4 / 16)
    assert found["spread"] == pytest.approx(0, abs=1e-12)
    assert abs(found["level"]) < 0.5


def test_a_distribution_is_told_by_its_function() -> None:
    """Values of one season spread evenly over its range have become those of its ends alone."""
    draw = np.random.default_rng(0)
    even, ends = draw.uniform(-1, 1, 400), draw.choice([-1.0, 1.0], 400)
    found = differences(np.concatenate([even, ends]), 400, (0, 100), (100, 200))
    assert found["distribution"] > 0.05
    assert differences(np.concatenate([even, even]), 400, (0, 100), (100, 200))["distribution"] == 0


def test_a_trend_makes_the_same_difference_everywhere() -> None:
    target = zigzag(40) + 0.5 * np.arange(160)
    first, second = (differences(target, 80, (begin, begin + 4), (begin + 8, begin + 12)) for begin in (4, 20))
    for name, value in (("level", first["level"]), ("spread", 0.0), ("shape", 0.0)):
        assert first[name] == pytest.approx(value, abs=1e-9)
        assert second[name] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 0.0), (3.0, -7.0), (1e5, 1e9)])
def test_another_unit_changes_no_difference(factor: float, shift: float) -> None:
    draw = np.random.default_rng(1)
    target = np.where(draw.random(120) < 0.1, np.nan, draw.normal(size=120))
    known = differences(target, 80, (5, 15), (20, 30))
    assert differences(factor * target + shift, 80, (5, 15), (20, 30)) == pytest.approx(known, abs=1e-5)


def test_upside_down_only_the_level_turns() -> None:
    target = np.random.default_rng(2).normal(size=120) + np.repeat([0.0, 1.0], [80, 40])
    known, turned = (differences(sign * target, 80, (5, 15), (20, 30)) for sign in (1, -1))
    assert turned["level"] == pytest.approx(-known["level"])
    for name in ("spread", "shape", "missing"):
        assert turned[name] == pytest.approx(known[name])


def test_one_wild_value_counts_as_the_edge_of_what_was() -> None:
    target = np.random.default_rng(3).normal(size=160)
    target[150] = 1e12
    assert abs(differences(target, 80, (5, 15), (30, 40))["level"]) < 0.5


def test_a_constant_differs_from_nothing_but_what_is_no_constant() -> None:
    constant = np.full(60, 0.1)
    assert set(differences(constant, 40, (0, 5), (10, 15)).values()) == {0.0}
    moved = np.where(np.arange(60) >= 40, 0.2, constant)
    assert differences(moved, 40, (0, 5), (10, 15))["level"] >= 100


def test_seasons_are_counted_from_the_end() -> None:
    seasons = Seasons.of(np.arange(30.0), 21, SEASON)
    assert (seasons.number, seasons.num_skipped, seasons.step(0), seasons.step(7)) == (7, 2, 2, 30)
    # The reference ends within the season of steps 18 to 21: that belongs neither to it nor to what came after.
    assert (seasons.num_reference, seasons.first_after) == (4, 5)
