"""The learning rate: rises, peaks once, falls to its floor."""

from __future__ import annotations

import pytest

from forecaster.config import TrainingConfig
from forecaster.training.schedule import rate_factor

CONFIG = TrainingConfig(max_steps=100, warmup_fraction=0.1, final_rate_fraction=0.05)


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    assert [rate_factor(step, CONFIG) for step in range(10)] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rate_factor(10, CONFIG) == pytest.approx(1.0)


def test_cosine_is_half_way_in_the_middle_and_ends_at_the_floor() -> None:
    assert rate_factor(55, CONFIG) == pytest.approx((1 + 0.05) / 2)
    assert rate_factor(100, CONFIG) == pytest.approx(0.05)
    assert rate_factor(10_000, CONFIG) == pytest.approx(0.05)


def test_the_first_step_has_a_rate_above_zero_without_warm_up() -> None:
    assert rate_factor(0, CONFIG.model_copy(update={"warmup_fraction": 0.0})) == pytest.approx(1.0)
