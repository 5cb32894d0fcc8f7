"""How good forecasts of a version were then and are now: error and coverage drift, from wherever outcomes are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation
from forecaster.ledger.skill import Drift, Skill
from pipelines.registry import Version

EVERYTHING = ""  # name of all series together
_NOMINAL = 0.8  # of the interval that `coverage_80` is of
_COLUMNS = ("relative_mase_then", "relative_mase_now", "coverage_80_then", "coverage_80_now", "num_forecasts_now")


@dataclass(frozen=True)
class Outcomes:
    """Skill of then and of now by series, and of all together under `EVERYTHING`; a series may lack either."""

    source: Literal["ledger", "backtest"]
    then: Mapping[str, Skill]
    now: Mapping[str, Skill]

    def signals(self, min_forecasts: int) -> dict[str, float]:
        """Gives `drift_error` and `drift_coverage`, each as far as it can be known from so many forecasts then and now.

        The first is the share by which the MASE beside that of the seasonal naive has grown, the second by how much
        further the coverage of the 80 % interval is from that than it was. Below 0 is better than then.
        """
        then, now = self.then.get(EVERYTHING), self.now.get(EVERYTHING)
        if then is None or now is None or min(then.num_forecasts, now.num_forecasts) < min_forecasts:
            return {}
        drift = Drift.between(then, now)
        found = {}
        if drift.relative_mase is not None:
            found["drift_error"] = drift.relative_mase - 1
        if then.coverage_80 is not None and now.coverage_80 is not None:
            found["drift_coverage"] = abs(now.coverage_80 - _NOMINAL) - abs(then.coverage_80 - _NOMINAL)
        return found

    def levels(self) -> dict[str, float]:
        """Gives relative MASE and coverage of all series, of then and of now, as far as they are known."""
        row = self._row(EVERYTHING)
        return {name: value for name in _COLUMNS[:-1] if (value := row[name]) is not None}

    def table(self) -> pd.DataFrame:
        """Gives a row for each series, without numbers for what is not known."""
        names = dict.fromkeys([*self.now, *self.then])
        return pd.DataFrame(
            [{"series": name, **self._row(name)} for name in names if name != EVERYTHING],
            columns=["series", *_COLUMNS],
        )

    def _row(self, name: str) -> dict[str, float | None]:
        then, now = self.then.get(name), self.now.get(name)
        numbers = (
            None if then is None else then.relative_mase,
            None if now is None else now.relative_mase,
            None if then is None else then.coverage_80,
            None if now is None else now.coverage_80,
            None if now is None else now.num_forecasts,
        )
        return dict(zip(_COLUMNS, numbers, strict=True))


def by_name(skills: Iterable[Skill], version: Version) -> dict[str, Skill]:
    """Gives those of one version by their segment."""
    return {one.segment: one for one in skills if one.version == str(version.number)}


def skills_of(
    version: Version, panel: Panel, model: Evaluation, naive: Evaluation, counted: BoolArray
) -> dict[str, Skill]:
    """Gives the skill by series, and of all together, over the windows [W] that count of an evaluation and the naive's.

    As in the ledger the naive is scored where the model is, and a window without an observed step is none.
    """
    ours, theirs = model.scores.mase_by_window, naive.scores.mase_by_window
    is_scored = counted & ~np.isnan(model.actual).all(axis=1)
    inside = _inside(model)

    def skill(name: str, chosen: BoolArray) -> Skill:
        with_mase = chosen & ~np.isnan(ours)
        return Skill(
            version.name,
            str(version.number),
            name,
            int(chosen.sum()),
            int((~np.isnan(model.actual[chosen])).sum()),
            _mean(ours[with_mase]),
            _mean(theirs[with_mase]),
            None if inside is None else _mean(inside[chosen]),
        )

    found = {} if not is_scored.any() else {EVERYTHING: skill(EVERYTHING, is_scored)}
    for position in np.unique(model.series[is_scored]).tolist():
        name = panel.series_ids[position]
        found[name] = skill(name, is_scored & (model.series == position))
    return found


def _inside(evaluation: Evaluation) -> FloatArray | None:
    """Says of each step [W H] whether it is inside the 80 % interval, NaN where unknown; None without that interval."""
    levels = np.asarray(evaluation.levels)
    low, high = (np.flatnonzero(np.isclose(levels, level)) for level in ((1 - _NOMINAL) / 2, (1 + _NOMINAL) / 2))
    if not len(low) or not len(high):
        return None
    quantiles, actual = evaluation.quantiles, evaluation.actual
    inside = (actual >= quantiles[:, :, low[0]]) & (actual <= quantiles[:, :, high[0]])
    return np.where(np.isnan(actual), np.nan, inside)


def _mean(values: FloatArray) -> float | None:
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if len(seen) else None
