"""What a comparison has found of a challenger, gathered for the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import numpy as np

from forecaster.bundle import Bundle
from forecaster.comparison import Gain, gain
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation, both_scales
from forecaster.metrics import Scores, score
from forecaster.runtime.choose import measured
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import PromotionPolicy
from pipelines.promotion.policy import Evidence


def gathered(
    challenger: Bundle,
    evaluations: Mapping[str, Evaluation],
    panel: Panel,
    policy: PromotionPolicy,
    *,
    approved_by: str | None = None,
    now: datetime | None = None,
) -> Evidence:
    """Gathers what `policy` asks for; `evaluations` are of the same windows, by role, that of the champion perhaps.

    Ages are told from `now`, by default this moment.
    """
    ours, champion = evaluations["challenger"], evaluations.get("champion")
    return Evidence(
        challenger=ours.scores if policy.coverage_80 is None else _scores_at_own_levels(challenger, ours, panel),
        naive=evaluations[SEASONAL_NAIVE].scores,
        champion=None if champion is None else champion.scores,
        gain=None if champion is None else _gain(ours, champion, np.ones(len(ours.series), dtype=bool), policy),
        segments={} if champion is None else _by_segment(ours, champion, panel, policy),
        latency_ms=0.0 if policy.max_latency_ms is None else _latency_ms(challenger),
        bundle_mb=sum(file.size for file in challenger.manifest.files.values()) / 1e6,
        age_days=age_days(challenger.facts.latest, now or datetime.now(UTC)),
        approved_by=approved_by,
    )


def _scores_at_own_levels(challenger: Bundle, ours: Evaluation, panel: Panel) -> Scores:
    """Gives the scores of a challenger with the coverage of all its intervals: a champion may not have the same."""
    predictor = challenger.predictor
    if set(predictor.levels) <= set(ours.levels):
        return ours.scores
    where = (panel, ours.series, ours.cutoffs)
    quantiles = predictor.forecast_windows(*where, ours.actual.shape[1], predictor.levels)
    return replace(ours.scores, coverage=score(ours.actual, quantiles, predictor.levels, *both_scales(*where)).coverage)


def age_days(latest: str, now: datetime) -> float | None:
    """Gives the days from a stored time, taken as UTC, until `now`; None for a step."""
    if latest.lstrip("-").isdigit():
        return None
    return float(
        (np.datetime64(now.astimezone(UTC).replace(tzinfo=None)) - np.datetime64(latest)) / np.timedelta64(1, "D")
    )


def _by_segment(ours: Evaluation, theirs: Evaluation, panel: Panel, policy: PromotionPolicy) -> dict[str, Gain | None]:
    found = {}
    for name, pattern in policy.segments.items():
        belongs = np.array([fnmatchcase(series_id, pattern) for series_id in panel.series_ids])
        found[name] = _gain(ours, theirs, belongs[ours.series], policy)
    return found


def _gain(ours: Evaluation, theirs: Evaluation, of_windows: np.ndarray, policy: PromotionPolicy) -> Gain | None:
    """Compares both on some of their windows."""
    return gain(
        ours.scores.mase_by_window[of_windows],
        theirs.scores.mase_by_window[of_windows],
        ours.series[of_windows],
        ours.stretch[of_windows],
        policy.confidence,
    )


def _latency_ms(bundle: Bundle) -> float:
    """Gives the median milliseconds of a forward pass of one window, by what executes the bundle here."""
    return measured({"challenger": bundle.predictor.ensemble})["challenger"][1]
