"""Outcomes by backtest: the champion on the newest folds, and on its test folds of then."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import IntArray
from forecaster.bundle import Bundle
from forecaster.data.panel import Panel
from forecaster.ledger.skill import Skill
from pipelines.comparison import SEASONAL_NAIVE, compare
from pipelines.config import PipelineConfig
from pipelines.drift.outcomes import EVERYTHING, Outcomes, skills_of
from pipelines.registry import Version

_MODEL = "model"


def backtest_outcomes(
    version: Version, bundle: Bundle, panel: Panel, config: PipelineConfig, ends: IntArray, num_recent: int
) -> Outcomes | None:
    """Compares folds in the last `num_recent` steps with the test folds that followed training at `ends` [S].

    Where the panel does not reach back to these, what they came to is taken from the bundle, without series. None where
    no step has come since.
    """
    horizon, split = bundle.predictor.horizon, bundle.facts.split
    then_ends = ends + _span(split.num_test_folds, horizon, split.step or horizon)
    step = config.split.step or horizon
    num_folds = _num_folds(panel.lengths - then_ends, num_recent, horizon, step)
    if num_folds == 0:
        return None
    now = _skills(version, bundle, panel, _with_folds(config, num_folds, step), then_ends)
    then = _then(version, bundle, panel, config, ends, then_ends) or _told(version, bundle)
    return Outcomes("backtest", then, now) if EVERYTHING in then and EVERYTHING in now else None


def _then(
    version: Version, bundle: Bundle, panel: Panel, config: PipelineConfig, ends: IntArray, then_ends: IntArray
) -> dict[str, Skill]:
    """Gives the skill on the test folds of then, of the series that have them in the panel; nothing where none has."""
    split, horizon = bundle.facts.split, bundle.predictor.horizon
    kept = np.flatnonzero((ends > horizon) & (then_ends <= panel.lengths))
    if split.num_test_folds == 0 or not len(kept):
        return {}
    past = panel.select(kept)
    folds = _with_folds(config, split.num_test_folds, split.step or horizon)
    return _skills(version, bundle, past.head(then_ends[kept]), folds, ends[kept])


def _skills(
    version: Version, bundle: Bundle, panel: Panel, config: PipelineConfig, begins: IntArray
) -> dict[str, Skill]:
    """Gives the skill over the folds of a config whose targets begin at `begins` [S] or later."""
    found = compare(panel, config, {_MODEL: bundle})
    counted = found[_MODEL].cutoffs >= begins[found[_MODEL].series]
    return skills_of(version, panel, found[_MODEL], found[SEASONAL_NAIVE], counted)


def _told(version: Version, bundle: Bundle) -> dict[str, Skill]:
    """Gives what the bundle says of its test folds; nothing where it had none."""
    facts, provenance = bundle.facts, bundle.manifest.provenance
    scores = {} if provenance is None else provenance.metrics
    if f"{SEASONAL_NAIVE}/mase" not in scores:  # it is told of test folds alone
        return {}
    num_forecasts = facts.num_series * facts.split.num_test_folds
    skill = Skill(
        version.name,
        str(version.number),
        EVERYTHING,
        num_forecasts,
        num_forecasts * facts.horizon,
        scores["mase"],
        scores[f"{SEASONAL_NAIVE}/mase"],
        scores.get("coverage_80"),
    )
    return {EVERYTHING: skill}


def _num_folds(since: IntArray, num_recent: int, horizon: int, step: int) -> int:
    """Gives the folds in the steps [S] since, of the series that has the most, as many as `num_recent` steps hold."""
    room = min(int(since.max()), max(num_recent, horizon))
    return max(0, (room - horizon) // step + 1)


def _span(num_folds: int, horizon: int, step: int) -> int:
    return horizon + (num_folds - 1) * step if num_folds else 0


def _with_folds(config: PipelineConfig, num_folds: int, step: int) -> PipelineConfig:
    promotion = config.promotion.model_copy(update={"num_folds": num_folds})
    return config.model_copy(update={"promotion": promotion, "split": config.split.model_copy(update={"step": step})})
