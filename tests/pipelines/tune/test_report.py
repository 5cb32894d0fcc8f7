"""The table of trials has the best first; the picture stands whatever the trials came to."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pipelines.tune.record import State, Trial
from pipelines.tune.report import draw_history, last_score, trials_table
from tests.pipelines.tune.factories import complete

TRIALS = [
    complete(0, 0.9),
    complete(1, 0.7, training__learning_rate=0.01),
    Trial(2, {"training.learning_rate": 0.1}, State.PRUNED, course={10: 0.6, 20: 0.95}),
    Trial(3, {"training.learning_rate": 0.2}, State.FAIL, reason="TrainingError: no"),
    complete(4, 0.8, training__augmentations=["flip"]),
    Trial(5, {}, State.PRUNED),
]


def test_whole_trials_come_first_and_the_best_of_them_at_the_top() -> None:
    table = trials_table(TRIALS, "mase")
    assert [int(name.split()[1]) for name in table["trial"]] == [1, 4, 0, 2, 5, 3]
    assert list(table["state"][:4]) == ["complete", "complete", "complete", "pruned"]
    assert table["validation_mase"][0] == 0.7
    assert table["training.augmentations"][1] == '["flip"]'
    assert table["reason"].iloc[-1] == "TrainingError: no"


def test_a_trial_that_ended_early_is_told_by_what_it_had_last() -> None:
    assert [last_score(trial) for trial in TRIALS] == [0.9, 0.7, 0.95, None, 0.8, None]


@pytest.mark.parametrize(
    "trials",
    [TRIALS, TRIALS[:1], [*TRIALS, complete(6, 1e9)], [*TRIALS, Trial(6, {}, State.PRUNED, None, {1: math.nan})]],
)
def test_the_picture_is_drawn(trials: list[Trial], tmp_path: Path) -> None:
    assert (
        draw_history(trials, "mase", {"training.learning_rate": 0.9}, tmp_path / "history.png").stat().st_size > 10_000
    )
    assert draw_history(trials, "smape", {}, tmp_path / "a" / "history.png").is_file()
