"""What Chronos' authors published of data sets that are scored here, too: Chronos-Bolt and the seasonal naive.

MASE and weighted quantile loss (nine levels, .1 to .9) from scripts/evaluation/results of the repository
amazon-science/chronos-forecasting on GitHub, read on 2026-11-28. That windows, scores and data are the same here shows
in the seasonal naive, which has to have the figures published for theirs: a point forecast, all of whose quantiles are
its median. Of daily data the season is one step there. Bolt had the training part of M4 hourly in its training; of the
other sets it saw nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.zero_shot_tasks import Task, as_point, mase, weighted_quantile_loss
from forecaster.baselines import SeasonalNaive
from forecaster.evaluation import Evaluation

OVER_BOLT = ("mase_over_bolt_tiny", "wql_over_bolt_tiny", "mase_over_bolt_base", "wql_over_bolt_base")


@dataclass(frozen=True)
class Score:
    """MASE, and weighted quantile loss."""

    mase: float
    wql: float


@dataclass(frozen=True)
class Published:
    """What was published of a data set: the season of the naive and of MASE, and scores; of Bolt by weights."""

    season_length: int
    seasonal_naive: Score
    tiny: Score  # 9 million weights
    base: Score  # 205 million


PUBLISHED = {
    "m3_yearly": Published(1, Score(3.17171, 0.166533), Score(3.36860, 0.151581), Score(2.90671, 0.129343)),
    "m3_quarterly": Published(4, Score(1.42534, 0.101252), Score(1.36456, 0.078751), Score(1.28909, 0.076151)),
    "m3_monthly": Published(12, Score(1.14620, 0.148545), Score(0.874455, 0.094355), Score(0.851070, 0.092697)),
    "m4_hourly": Published(24, Score(1.19321, 0.048309), Score(0.934801, 0.0210875), Score(0.835013, 0.0253538)),
    "nn5": Published(1, Score(1.29173, 0.424621), Score(0.722825, 0.181691), Score(0.576408, 0.150052)),
}


def beside_published(task: Task, evaluation: Evaluation) -> dict[str, float]:
    """Gives a forecaster's scores over those published for Bolt, and how far our seasonal naive is from theirs."""
    if task.name not in PUBLISHED:
        return {}
    found = PUBLISHED[task.name]
    naive = _scored(task, as_point(task.evaluated(SeasonalNaive(found.season_length))), found.season_length)
    ours = _scored(task, evaluation, found.season_length)
    theirs = (found.tiny.mase, found.tiny.wql, found.base.mase, found.base.wql)
    ratios = [own / other for own, other in zip((ours.mase, ours.wql) * 2, theirs, strict=True)]
    off = (naive.mase / found.seasonal_naive.mase - 1, naive.wql / found.seasonal_naive.wql - 1)
    return dict(zip(OVER_BOLT, ratios, strict=True)) | {"naive_off_published": max(map(abs, off))}


def _scored(task: Task, evaluation: Evaluation, season_length: int) -> Score:
    return Score(mase(task, evaluation, season_length), weighted_quantile_loss(evaluation))
