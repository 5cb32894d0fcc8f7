"""How the roll-back policy judges a champion, by nothing but what its forecasts came to.

What is compared is the MASE of forecasts that were served over that of the seasonal naive, window of time by window:
the first windows of the champion with the last ones of its predecessor.

        predecessor                      | promotion        champion
    ... [ window ][ window ][ window ]   |   [ window ][ window ][ window ]  at most `num_windows` of each
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.special import stdtrit

from pipelines.config import RollBackPolicy


@dataclass(frozen=True)
class Window:
    """The forecasts of a version in a window of time; None where nothing of them can be scored."""

    num_forecasts: int
    relative_mase: float | None


@dataclass(frozen=True)
class Verdict:
    """Whether a champion is worse than its predecessor's band, and what was found."""

    is_worse: bool
    reason: str


def judge(policy: RollBackPolicy, champion: Sequence[Window], predecessor: Sequence[Window]) -> Verdict:
    """Says whether the mean of the champion's windows lies above the band of its predecessor's.

    The band reaches from the predecessor's mean up to what the mean of so many windows would be by chance (Student's t,
    with its predecessor's spread), and by `min_loss` at the least.
    """
    ours, theirs = (_counted(policy, windows) for windows in (champion, predecessor))
    for name, found in (("champion", ours), ("predecessor", theirs)):
        if len(found) < policy.min_windows:
            wanted = f"{policy.min_windows} windows with {policy.min_forecasts} forecasts are wanted"
            return Verdict(False, f"the {name} has {len(found)} windows that count, {wanted}")
    live, usual = mean(ours), mean(theirs)
    quantile = float(stdtrit(len(theirs) - 1, policy.confidence))
    chance = quantile * stdev(theirs) * math.sqrt(1 / len(ours) + 1 / len(theirs))
    limit = usual + max(policy.min_loss * usual, chance)
    is_worse = live > limit
    verb = "above" if is_worse else "within"
    return Verdict(
        is_worse,
        f"live MASE over the seasonal naive's is {live:.4f} in {len(ours)} windows, {verb} the band up to {limit:.4f} "
        f"around its predecessor's {usual:.4f} in {len(theirs)}",
    )


def _counted(policy: RollBackPolicy, windows: Sequence[Window]) -> list[float]:
    return [
        window.relative_mase
        for window in windows
        if window.relative_mase is not None and window.num_forecasts >= policy.min_forecasts
    ]
