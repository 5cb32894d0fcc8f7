"""How the promotion policy decides, by nothing but what a challenger has shown.

Every rule that a policy names is checked, and each check says what it found: a refusal gives all reasons at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from forecaster.comparison import Gain
from forecaster.metrics import Scores
from pipelines.config import PromotionPolicy

_COVERED = 0.8  # share of the central interval that `coverage_80` is about


@dataclass(frozen=True)
class Evidence:
    """What was found of a challenger, on the same windows as of the champion and of the seasonal naive."""

    challenger: Scores
    naive: Scores
    champion: Scores | None = None  # None: there is none, or none that can be compared
    gain: Gain | None = None  # over the champion; None without one, and where nothing of it could be scored
    segments: Mapping[str, Gain | None] = field(default_factory=dict)  # None where nothing could be scored
    latency_ms: float = 0.0
    bundle_mb: float = 0.0
    age_days: float | None = None  # None where times are steps, or stand still
    approved_by: str | None = None


@dataclass(frozen=True)
class Check:
    """One rule, and what was found by it."""

    rule: str
    passed: bool
    finding: str


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, and why."""

    promote: bool
    reason: str
    checks: tuple[Check, ...] = ()


def decide(policy: PromotionPolicy, evidence: Evidence) -> Decision:
    """Promotes what passes all checks; the reason of a refusal names each that failed."""
    checks = tuple(_checks(policy, evidence))
    failed = [check.finding for check in checks if not check.passed]
    reason = "; ".join(failed or [check.finding for check in checks])
    return Decision(not failed, reason, checks)


def _checks(policy: PromotionPolicy, evidence: Evidence) -> Iterator[Check]:
    if not math.isfinite(evidence.challenger.mase):
        yield Check("finite", False, "the challenger's MASE is not finite on these folds")
        return
    yield _against_naive(evidence.challenger.mase, evidence.naive.mase)
    yield from _against_champion(policy, evidence)
    if evidence.champion is not None:
        for name in policy.segments:
            yield _in_segment(name, evidence.segments.get(name), policy.max_segment_loss)
    if policy.coverage_80 is not None:
        yield _coverage(evidence.challenger.coverage.get(_COVERED), *policy.coverage_80)
    yield from _at_most("latency", "a forecast takes {:.1f} ms", evidence.latency_ms, policy.max_latency_ms)
    yield from _at_most("size", "the bundle has {:.1f} MB", evidence.bundle_mb, policy.max_bundle_mb)
    yield from _freshness(evidence.age_days, policy.max_age_days)
    if policy.needs_approval:
        by = evidence.approved_by
        yield Check("approval", by is not None, f"{by} has approved" if by else "nobody has approved of it yet")


def _against_naive(challenger: float, naive: float) -> Check:
    passed = challenger < naive
    verb = "beats" if passed else "does not beat"
    return Check("naive", passed, f"MASE {challenger:.4f} {verb} the seasonal naive's {naive:.4f}")


def _against_champion(policy: PromotionPolicy, evidence: Evidence) -> Iterator[Check]:
    champion, gain = evidence.champion, evidence.gain
    if champion is not None and champion.mase == 0:  # of nothing there is no share
        yield Check("gain", False, f"MASE {evidence.challenger.mase:.4f} is not below the champion's 0.0000")
        return
    if champion is None or gain is None:
        known = "there is no champion to compare with" if champion is None else "the champion could not be scored"
        yield Check("gain", True, known)
        return
    found = f"MASE {evidence.challenger.mase:.4f} is {_signed(gain.mean)} the champion's {champion.mase:.4f}"
    wanted = f", {policy.min_gain:.1%} is wanted" if policy.min_gain else ""
    yield Check("gain", gain.mean > 0 and gain.mean >= policy.min_gain, found + wanted)
    if gain.mean > 0:
        yield Check("confidence", gain.is_certain, _certainty(policy.confidence, gain))


def _certainty(confidence: float, gain: Gain) -> str:
    if math.isinf(gain.low):
        return "a single window cannot tell whether that is chance"
    found = f"with {confidence:.1%} confidence the gain is above {gain.low:.1%}"
    return found if gain.is_certain else f"{found}, which may be chance"


def _signed(share: float) -> str:
    return f"{share:.1%} below" if share > 0 else f"{-share:.1%} above" if share < 0 else "not below"


def _in_segment(name: str, gain: Gain | None, max_loss: float) -> Check:
    rule = f"segment {name}"
    if gain is None:
        return Check(rule, False, f"segment {name!r} has no window that could be scored")
    passed = gain.mean >= -max_loss
    return Check(rule, passed, f"in segment {name!r} MASE is {_signed(gain.mean)} the champion's")


def _coverage(found: float | None, least: float, most: float) -> Check:
    if found is None:
        return Check("coverage_80", False, "the challenger has no 80 % interval")
    verb = "lies" if least <= found <= most else "does not lie"
    return Check("coverage_80", verb == "lies", f"coverage {found:.3f} {verb} within {least:g} and {most:g}")


def _at_most(rule: str, sentence: str, found: float, most: float | None) -> Iterator[Check]:
    if most is not None:
        passed = found <= most
        yield Check(rule, passed, sentence.format(found) + ("" if passed else f", at most {most:g} may be"))


def _freshness(age_days: float | None, most: float | None) -> Iterator[Check]:
    if most is None:
        return
    if age_days is None:
        yield Check("freshness", False, "its data has no times that say how old it is")
    else:
        yield from _at_most("freshness", "its data is {:.1f} days old", age_days, most)
