"""When a champion is rolled back, as a table of cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.config import RollBackPolicy
from pipelines.promotion.roll_back_policy import Window, judge

POLICY = RollBackPolicy()
USUAL = (0.80, 0.82, 0.78, 0.81, 0.79)  # mean 0.8, spread 0.0158: t(0.99, 4) = 3.747


def windows(values: Sequence[float | None], num_forecasts: int = 50) -> list[Window]:
    return [Window(num_forecasts, value) for value in values]


@pytest.mark.parametrize(
    ("champion", "predecessor", "changed", "is_worse", "reason"),
    [
        ((0.8, 0.8, 0.8), USUAL, {}, False, "within the band up to 0.8433"),  # 0.8 + 3.747 * 0.0158 * sqrt(1/3 + 1/5)
        ((0.7, 0.7, 0.7), USUAL, {}, False, "is 0.7000 in 3 windows, within"),
        ((0.84, 0.84, 0.84), USUAL, {}, False, "within"),
        ((0.85, 0.85, 0.85), USUAL, {}, True, "is 0.8500 in 3 windows, above the band up to 0.8433 around"),
        ((1.4, 0.2, 0.8), USUAL, {}, False, "within"),
        ((1.6, 0.4, 0.8), USUAL, {}, True, "is 0.9333"),
        ((0.85, 0.85, 0.85), USUAL, {"min_loss": 0.10}, False, "up to 0.8800"),
        ((0.89, 0.89, 0.89), USUAL, {"min_loss": 0.10}, True, "above"),
        ((0.82, 0.82, 0.82), USUAL, {"confidence": 0.5, "min_loss": 0}, True, "up to 0.8000"),
        ((0.85, 0.85, 0.85), (0.8, 1.2, 0.4), {}, False, "within"),  # a predecessor that came and went
        ((0.81, 0.81, 0.81), (0.8, 0.8, 0.8), {}, False, "up to 0.8400"),  # one without any spread
        ((0.85, 0.85, 0.85), (0.8, 0.8, 0.8), {}, True, "above"),
        # too little is known
        ((), USUAL, {}, False, "the champion has 0 windows that count, 3 windows with 10 forecasts are wanted"),
        ((2.0, 2.0), USUAL, {}, False, "the champion has 2 windows"),
        ((2.0, 2.0), USUAL, {"min_windows": 2}, True, "above"),
        ((2.0, 2.0, None), USUAL, {}, False, "the champion has 2 windows"),
        ((2.0, 2.0, 2.0), (0.8, 0.8), {}, False, "the predecessor has 2 windows"),
        ((2.0, 2.0, 2.0), (), {}, False, "the predecessor has 0 windows"),
        ((2.0, 2.0, 2.0), USUAL, {"min_forecasts": 51}, False, "windows with 51 forecasts"),
        ((2.0, 2.0, 2.0), USUAL, {"min_forecasts": 50}, True, "above"),
    ],
)
def test_a_champion_gives_way_only_above_the_band_of_its_predecessor(
    champion: Sequence[float | None],
    predecessor: Sequence[float | None],
    changed: dict[str, float],
    is_worse: bool,
    reason: str,
) -> None:
    policy = RollBackPolicy.model_validate(changed)
    found = judge(policy, windows(champion), windows(predecessor))
    assert (found.is_worse, reason in found.reason) == (is_worse, True), found.reason


def test_a_champion_that_is_as_good_is_rolled_back_as_seldom_as_the_policy_says() -> None:
    """A band of two-sample t has its size where nothing is worse; `min_loss` only makes it wider."""
    draw, policy = np.random.default_rng(0), RollBackPolicy(confidence=0.95, min_loss=0.0)
    seen = [
        judge(policy, windows(draw.normal(0.8, 0.05, 5).tolist()), windows(draw.normal(0.8, 0.05, 8).tolist()))
        for _ in range(2000)
    ]
    assert np.mean([found.is_worse for found in seen]) == pytest.approx(0.05, abs=0.015)


def test_more_windows_than_there_may_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_windows 3 is above num_windows 2"):
        RollBackPolicy(num_windows=2)
