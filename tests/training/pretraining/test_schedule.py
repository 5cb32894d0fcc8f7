"""The learning rate of pretraining: rises, stays level, and falls by a root to nothing."""

from __future__ import annotations

import pytest

from forecaster.training.pretraining.schedule import decay_start, rate_factor
from tests.training.pretraining.factories import small_config

CONFIG = small_config(max_steps=100, warmup_steps=10, decay_fraction=0.25)


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    assert [rate_factor(step, CONFIG) for step in range(10)] == pytest.approx([0.1 * (i + 1) for i in range(10)])


def test_it_stays_level_until_the_decay_begins() -> None:
    assert decay_start(CONFIG) == 75
    assert {rate_factor(step, CONFIG) for step in range(9, 76)} == {1.0}


def test_it_falls_as_one_minus_the_root_of_the_progress() -> None:
    assert rate_factor(76, CONFIG) == pytest.approx(1 - (1 / 25) ** 0.5)
    assert rate_factor(75 + 9, CONFIG) == pytest.approx(1 - 3 / 5)
    assert rate_factor(75 + 16, CONFIG) == pytest.approx(1 - 4 / 5)
    assert 0 < rate_factor(99, CONFIG) < 0.03


@pytest.mark.parametrize("step", [100, 101, 10_000])
def test_after_the_last_step_it_is_0(step: int) -> None:
    assert rate_factor(step, CONFIG) == 0.0


def test_up_to_the_decay_a_longer_training_has_the_same_rates() -> None:
    longer = small_config(max_steps=300, warmup_steps=10, decay_fraction=0.25)
    steps = range(decay_start(CONFIG))
    assert [rate_factor(step, CONFIG) for step in steps] == [rate_factor(step, longer) for step in steps]


@pytest.mark.parametrize(("max_steps", "fraction"), [(1, 1.0), (1, 0.1), (3, 0.1), (20, 1.0)])
def test_however_short_each_step_but_none_after_has_a_rate_in_0_to_1(max_steps: int, fraction: float) -> None:
    config = small_config(max_steps=max_steps, warmup_steps=10, decay_fraction=fraction)
    assert all(0 < rate_factor(step, config) <= 1 for step in range(max_steps))
    assert rate_factor(max_steps, config) == 0.0
