"""A draw depends on what is finished and on its number alone, goes where scores are low, and ends where it is bad."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from forecaster.errors import ConfigError
from pipelines.config import PipelineConfig, with_values
from pipelines.tune.draws import draw, importances, study_of
from pipelines.tune.record import State, Trial
from tests.pipelines.tune.factories import RATE, SPACE, WIDTH, complete, config_with

CONFIG = config_with()


def build(values: Mapping[str, Any]) -> PipelineConfig:
    return with_values(CONFIG, values)


def tried(number: int, config: PipelineConfig = CONFIG, among: list[Trial] | None = None) -> dict[str, Any]:
    return dict(draw(config, among or [], number, lambda values: with_values(config, values)).values)


def distance(values: Mapping[str, Any]) -> float:
    """A score that is lowest at a rate of 0.003, whatever the other settings."""
    return abs(math.log10(values[RATE] / 3e-3))


@cache
def study(num_trials: int) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(1, num_trials + 1):
        values = tried(number, among=trials)
        trials.append(complete(number, distance(values), **{k.replace(".", "__"): v for k, v in values.items()}))
    return trials


def test_values_lie_in_the_space_and_have_the_types_of_their_settings() -> None:
    config = config_with(SPACE | {"training.augmentations": {"kind": "choice", "values": [[], ["flip"]]}})
    for number in range(1, 9):
        values = tried(number, config)
        assert 1e-4 <= values[RATE] <= 1e-1
        assert values[WIDTH] in (8, 16)
        assert values["model.num_layers"] in (1, 2)
        assert values["training.augmentations"] in ([], ["flip"])
        assert {type(values[name]) for name in (WIDTH, "model.num_layers")} == {int}


def test_a_trial_is_drawn_again_as_it_was_and_its_neighbour_is_not() -> None:
    trials = study(40)[:12]
    assert tried(13, among=trials) == tried(13, among=list(trials))
    assert tried(13, among=trials) != tried(14, among=trials)
    assert tried(1) != tried(1, config_with(seed=1))


def test_what_is_already_known_is_made_use_of() -> None:
    told = [distance(trial.values) for trial in study(40)[10:]]
    untold = [distance(tried(trial.number)) for trial in study(40)[10:]]
    assert np.mean(told) < 0.75 * np.mean(untold)


def test_values_that_do_not_go_together_are_drawn_anew() -> None:
    space = {WIDTH: {"kind": "choice", "values": [8, 12]}, "model.num_heads": {"kind": "choice", "values": [2, 4]}}
    config = config_with(space)  # 12 / 4 is odd, which rotary positions refuse
    drawn = [tried(number, config) for number in range(1, 30)]
    assert {(values[WIDTH], values["model.num_heads"]) for values in drawn} == {(8, 2), (8, 4), (12, 2)}


def test_a_space_of_which_nothing_goes_together_is_refused() -> None:
    def refuse(_: Mapping[str, Any]) -> PipelineConfig:
        raise ConfigError("no")

    with pytest.raises(ConfigError, match=r"tune\.space: of 100 draws the config refuses all, the last .*: no"):
        draw(CONFIG, [], 1, refuse)


def test_the_config_as_it_is_counts_where_the_space_holds_it() -> None:
    own = complete(0, 0.5)
    assert len(study_of(CONFIG, [own]).trials) == 1
    elsewhere = config_with({WIDTH: {"kind": "choice", "values": [8, 32]}})  # it is 16
    assert len(study_of(elsewhere, [own]).trials) == 0


def test_failed_trials_and_those_of_which_nothing_is_known_move_no_draw() -> None:
    values = tried(1)
    failed = Trial(1, values, State.FAIL, reason="no")
    silent = Trial(2, values, State.PRUNED)
    assert tried(3, among=[failed, silent]) == tried(3)


def rivals(num: int) -> list[Trial]:
    return [Trial(n, tried(1), State.COMPLETE, 1.0, {10: 2.0, 20: 1.0}) for n in range(1, num + 1)]


@pytest.mark.parametrize(
    ("tune", "num_rivals", "score", "step", "expected"),
    [
        ({}, 5, 2.1, 10, True),
        ({}, 5, 1.9, 10, False),
        ({}, 4, 2.1, 10, False),
        ({"num_unpruned_trials": 4}, 4, 2.1, 10, True),
        ({"num_unpruned_steps": 15}, 5, 2.1, 10, False),
        ({"num_unpruned_steps": 15}, 5, 1.1, 20, True),
        ({"pruning": "off"}, 5, 2.1, 10, False),
    ],
)
def test_a_trial_ends_that_is_above_the_median_of_the_others(
    tune: dict[str, Any], num_rivals: int, score: float, step: int, expected: bool
) -> None:
    config = config_with(**tune)
    drawn = draw(config, rivals(num_rivals), 9, lambda values: with_values(config, values))
    assert drawn.is_hopeless(score, step) is expected


def test_the_config_as_it_is_never_ends_early() -> None:
    assert not draw(CONFIG, rivals(9), 0, build).is_hopeless(1e9, 20)


def test_the_setting_that_makes_the_difference_is_told() -> None:
    shares = importances(CONFIG, study(40))
    assert max(shares, key=lambda name: shares[name]) == RATE
    assert shares[RATE] > 0.8
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)


def test_no_importance_is_told_where_trials_do_not_differ() -> None:
    assert importances(CONFIG, study(1)) == {}
    values = {"training__learning_rate": 0.01, "model__d_model": 8, "model__num_layers": 1}
    assert importances(CONFIG, [complete(1, 0.5, **values), complete(2, 0.5, **values)]) == {}
