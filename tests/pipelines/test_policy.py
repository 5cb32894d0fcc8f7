"""The promotion policy as a table of cases: what is shown, what is asked for, what comes of it."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from forecaster.comparison import Gain
from forecaster.metrics import Scores, score
from pipelines.config import PromotionPolicy
from pipelines.promotion.evidence import age_days
from pipelines.promotion.policy import Evidence, decide

NAN = math.nan
NOW = datetime(2024, 3, 11, 12, tzinfo=UTC)


def scores(mase: float, coverage: float | None = 0.8) -> Scores:
    some = score(np.ones((1, 1)), np.ones((1, 1, 1)), (0.5,), np.ones(1))
    return dataclasses.replace(some, mase=mase, coverage={} if coverage is None else {0.8: coverage})


def gained(mean: float, low: float | None = None) -> Gain:
    """Gives a gain that is certain, or as certain as is said."""
    return Gain(mean, mean if low is None else low, mean, 0.975, 10, 4)


def evidence(
    mase: float = 0.8, champion: float | None = 0.9, naive: float = 1.0, gain: Gain | None = None, **found: Any
) -> Evidence:
    """Gives evidence of a challenger that is better than a champion of 0.9, unless told otherwise."""
    if gain is None and champion is not None and math.isfinite(champion) and math.isfinite(mase):
        gain = gained(1 - mase / champion)
    coverage = found.pop("coverage", 0.8)
    known = None if champion is None else scores(champion)
    return Evidence(scores(mase, coverage), scores(naive), known, gain, **found)


BAND = {"coverage_80": (0.7, 0.9)}
NORTH = {"segments": {"north": "north_*"}}
CASES: list[tuple[dict[str, Any], Evidence, bool, str]] = [
    # against the seasonal naive
    ({}, evidence(champion=None), True, "there is no champion to compare with"),
    ({}, evidence(1.0, None), False, "MASE 1.0000 does not beat the seasonal naive's 1.0000"),
    ({}, evidence(1.1, None), False, "does not beat the seasonal naive's"),
    ({}, evidence(1.1, 1.2), False, "does not beat the seasonal naive's"),
    ({}, evidence(0.8, None, NAN), False, "does not beat the seasonal naive's nan"),
    ({}, evidence(NAN, None), False, "the challenger's MASE is not finite"),
    ({}, evidence(NAN, 0.9), False, "the challenger's MASE is not finite"),
    ({}, evidence(math.inf, None), False, "the challenger's MASE is not finite"),
    # against the champion
    ({}, evidence(), True, "MASE 0.8000 is 11.1% below the champion's 0.9000"),
    ({}, evidence(0.9), False, "MASE 0.9000 is not below the champion's 0.9000"),
    ({}, evidence(0.95), False, "is 5.6% above the champion's 0.9000"),
    ({}, evidence(0.8, NAN), True, "the champion could not be scored"),
    ({}, dataclasses.replace(evidence(), champion=scores(0.0), gain=None), False, "not below the champion's 0.0000"),
    ({"min_gain": 0.05}, evidence(0.79, 0.8), False, "is 1.2% below the champion's 0.8000, 5.0% is wanted"),
    ({"min_gain": 0.05}, evidence(0.76, 0.8, gain=gained(0.05)), True, "is 5.0% below the champion's"),
    ({"min_gain": 0.05}, evidence(0.75, 0.8), True, "is 6.2% below the champion's"),
    ({"min_gain": 0.5}, evidence(champion=None), True, "there is no champion"),
    # and whether that is certain
    (
        {},
        evidence(gain=gained(0.11, low=-0.01)),
        False,
        "97.5% confidence the gain is above -1.0%, which may be chance",
    ),
    ({}, evidence(gain=gained(0.11, low=0.0)), False, "which may be chance"),
    ({}, evidence(gain=gained(0.11, low=0.001)), True, "the gain is above 0.1%"),
    ({}, evidence(gain=gained(0.9, low=-math.inf)), False, "a single window cannot tell whether that is chance"),
    ({"min_gain": 0.05}, evidence(gain=gained(0.11, low=0.01)), True, "the gain is above 1.0%"),
    ({}, evidence(gain=gained(-0.1, low=-0.2)), False, "is 10.0% above the champion's"),
    # coverage
    (BAND, evidence(), True, "coverage 0.800 lies within 0.7 and 0.9"),
    (BAND, evidence(coverage=0.7), True, "lies within"),
    (BAND, evidence(coverage=0.9), True, "lies within"),
    (BAND, evidence(coverage=0.69), False, "coverage 0.690 does not lie within 0.7 and 0.9"),
    (BAND, evidence(coverage=0.91), False, "does not lie within"),
    (BAND, evidence(coverage=None), False, "the challenger has no 80 % interval"),
    (BAND, evidence(champion=None, coverage=0.5), False, "does not lie within"),
    ({}, evidence(coverage=0.1), True, "below the champion's"),
    # segments
    (NORTH, evidence(segments={"north": gained(0.2)}), True, "in segment 'north' MASE is 20.0% below the champion's"),
    (NORTH, evidence(segments={"north": gained(-0.02)}), True, "in segment 'north' MASE is 2.0% above"),
    (NORTH, evidence(segments={"north": gained(-0.021)}), False, "in segment 'north' MASE is 2.1% above"),
    (NORTH, evidence(segments={"north": None}), False, "segment 'north' has no window that could be scored"),
    (NORTH, evidence(segments={}), False, "segment 'north' has no window that could be scored"),
    (NORTH, evidence(champion=None), True, "there is no champion"),
    ({**NORTH, "max_segment_loss": 0.0}, evidence(segments={"north": gained(-0.001)}), False, "0.1% above"),
    ({**NORTH, "max_segment_loss": 0.3}, evidence(segments={"north": gained(-0.2)}), True, "20.0% above"),
    # latency, size, age
    ({"max_latency_ms": 5}, evidence(latency_ms=5.0), True, "a forecast takes 5.0 ms"),
    ({"max_latency_ms": 5}, evidence(latency_ms=5.1), False, "a forecast takes 5.1 ms, at most 5 may be"),
    ({"max_bundle_mb": 25}, evidence(bundle_mb=25.0), True, "the bundle has 25.0 MB"),
    ({"max_bundle_mb": 25}, evidence(bundle_mb=26.0), False, "the bundle has 26.0 MB, at most 25 may be"),
    ({"max_age_days": 7}, evidence(age_days=7.0), True, "its data is 7.0 days old"),
    ({"max_age_days": 7}, evidence(age_days=7.5), False, "its data is 7.5 days old, at most 7 may be"),
    ({"max_age_days": 7}, evidence(age_days=None), False, "its data has no times that say how old it is"),
    ({}, evidence(age_days=4000.0, latency_ms=1e6, bundle_mb=1e6), True, "below the champion's"),
    # approval
    ({"needs_approval": True}, evidence(), False, "nobody has approved of it yet"),
    ({"needs_approval": True}, evidence(approved_by="the owner"), True, "the owner has approved"),
    ({"needs_approval": True}, evidence(1.1, approved_by="the owner"), False, "does not beat the seasonal naive's"),
    # all that is wrong is said at once
    ({**BAND, "max_age_days": 1}, evidence(1.1, coverage=0.2, age_days=2), False, "seasonal naive's 1.0000; MASE"),
    ({**BAND, "max_age_days": 1}, evidence(1.1, coverage=0.2, age_days=2), False, "0.9; its data is 2.0 days old"),
]


@pytest.mark.parametrize(("policy", "found", "promoted", "reason"), CASES)
def test_decide(policy: dict[str, Any], found: Evidence, promoted: bool, reason: str) -> None:
    decision = decide(PromotionPolicy(**policy), found)
    assert reason in decision.reason
    assert decision.promote is promoted
    assert decision.promote == all(check.passed for check in decision.checks)


def test_the_table_is_long_enough_to_tell() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    "policy",
    [
        {"version": 2},
        {"min_gain": 1.0},
        {"min_gain": -0.1},
        {"confidence": 1.0},
        {"confidence": 0.4},
        {"coverage_80": (0.9, 0.7)},
        {"coverage_80": (0.7, 1.1)},
        {"max_latency_ms": 0},
        {"max_age_days": -1},
        {"num_folds": 0},
        {"unheard_of": 1},
    ],
)
def test_policies_that_make_no_sense_are_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PromotionPolicy(**policy)


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ("2024-03-10T12:00:00.000000", 1.0),
        ("2024-03-11", 0.5),
        ("2024-03-12T00:00:00", -0.5),
        ("41", None),
        ("-3", None),
    ],
)
def test_data_is_as_old_as_its_latest_value(latest: str, expected: float | None) -> None:
    assert age_days(latest, NOW) == expected
    assert age_days(latest, NOW.astimezone(timezone(timedelta(hours=5)))) == expected
