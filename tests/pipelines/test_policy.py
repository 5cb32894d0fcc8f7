"""Promotion as a table of cases."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from forecaster.metrics import Scores, score
from pipelines.policy import decide

NAN = math.nan


def scores(mase: float) -> Scores:
    some = score(np.ones((1, 1)), np.ones((1, 1, 1)), (0.5,), np.ones(1))
    return dataclasses.replace(some, mase=mase)


@pytest.mark.parametrize(
    ("challenger", "champion", "naive", "min_gain", "promoted", "reason"),
    [
        (0.8, None, 1.0, 0.0, True, "there is no champion to compare with"),
        (0.8, 0.9, 1.0, 0.0, True, "and the champion's 0.9000"),
        (0.8, NAN, 1.0, 0.0, True, "beats"),
        (1.0, None, 1.0, 0.0, False, "does not beat the seasonal naive's"),
        (1.1, None, 1.0, 0.0, False, "does not beat the seasonal naive's"),
        (1.1, 1.2, 1.0, 0.0, False, "does not beat the seasonal naive's"),
        (0.8, 0.8, 1.0, 0.0, False, "does not beat the champion's 0.8000"),
        (0.9, 0.8, 1.0, 0.0, False, "does not beat the champion's 0.8000"),
        (0.79, 0.8, 1.0, 0.05, False, "by 5.0%"),
        (0.75, 0.8, 1.0, 0.05, True, "and the champion's"),
        (0.76, 0.8, 1.0, 0.05, False, "by 5.0%"),
        (NAN, None, 1.0, 0.0, False, "is not finite"),
        (NAN, 0.8, 1.0, 0.0, False, "is not finite"),
        (math.inf, None, 1.0, 0.0, False, "is not finite"),
        (0.8, None, NAN, 0.0, False, "does not beat the seasonal naive's nan"),
    ],
)
def test_decide(
    challenger: float, champion: float | None, naive: float, min_gain: float, promoted: bool, reason: str
) -> None:
    decision = decide(scores(challenger), None if champion is None else scores(champion), scores(naive), min_gain)
    assert decision.promote is promoted
    assert reason in decision.reason
