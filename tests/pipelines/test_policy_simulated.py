"""How often the default policy promotes what is no better, and what is a tenth better."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from forecaster.comparison import gain
from forecaster.metrics import Scores, score
from pipelines.config import PromotionPolicy
from pipelines.promotion.policy import Evidence, decide
from tests.simulated_losses import losses

POLICY = PromotionPolicy()
NUM_TRIES = 200


def scores(mase: float) -> Scores:
    return dataclasses.replace(score(np.ones((1, 1)), np.ones((1, 1, 1)), (0.5,), np.ones(1)), mase=mase)


def num_promoted(num_series: int, num_folds: int, better_by: float) -> int:
    """Counts promotions of challengers that are trained anew each time, over a champion that is, too."""
    draw, promoted = np.random.default_rng(7), 0
    for _ in range(NUM_TRIES):
        ours, theirs, series, fold = losses(draw, num_series, num_folds, better_by)
        found = gain(ours, theirs, series, fold, POLICY.confidence)
        evidence = Evidence(scores(float(ours.mean())), scores(np.inf), scores(float(theirs.mean())), found)
        promoted += decide(POLICY, evidence).promote
    return promoted


@pytest.mark.slow
@pytest.mark.parametrize(("num_series", "num_folds"), [(20, 4), (50, 6), (100, 8)])
def test_of_challengers_that_are_no_better_fewer_than_one_in_twenty_is_promoted(
    num_series: int, num_folds: int
) -> None:
    assert num_promoted(num_series, num_folds, better_by=0.0) < 0.05 * NUM_TRIES


@pytest.mark.slow
def test_of_challengers_that_are_a_tenth_better_nine_in_ten_are_promoted() -> None:
    assert num_promoted(100, 8, better_by=0.1) > 0.9 * NUM_TRIES
