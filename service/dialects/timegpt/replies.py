"""Forecasts -> replies as TimeGPT's clients read them: numbers of all series, one after the other; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from forecaster.anomalies import judged
from forecaster.arrays import FloatArray, IntArray
from forecaster.rolling import Rolled
from forecaster.types import ends_of, percent_name
from service.answers.asked import RollingAsked
from service.answers.schemas import RollingRequest
from service.dialects.timegpt.translation import Backtest, Search
from service.models.view import ServedModel
from service.requests import reply
from service.requests.asked import Asked
from service.requests.reply import Answer
from service.requests.translate import Warnings

_MEDIAN = 0.5
_MULTIVARIATE = "multivariate"


@dataclass(frozen=True)
class _Steps:
    """Steps [n] of the series of a request that something is said of, by series and then by time."""

    sizes: IntArray  # [S] how many of each series
    rows: IntArray  # [n] place among the values that were sent

    @classmethod
    def of(cls, asked: RollingAsked[Any], series: IntArray, rows: IntArray) -> _Steps:
        """Takes steps [n] by the position of their series and their place in the panel.

        A panel begins each series with its first value, so that its places are others than those of the request.
        """
        shifts = _ends(asked.request) - asked.question.panel.offsets[1:]
        return cls(np.bincount(series, minlength=len(shifts)), rows + shifts[series])

    def to_the_ends(self, asked: RollingAsked[Any], series: IntArray) -> tuple[_Steps, IntArray]:
        """Gives all steps from the first one of each series to its end, and where [n] those of `series` stand there.

        Windows without a value to see are left out of rolling forecasts.
        """
        ends, first = _ends(asked.request), np.searchsorted(series, np.arange(len(self.sizes)))
        begins = np.where(self.sizes > 0, np.append(self.rows, 0)[first], ends)
        sizes = ends - begins
        offsets = np.cumsum(sizes) - sizes
        rows = np.arange(sizes.sum()) + np.repeat(begins - offsets, sizes)
        return _Steps(sizes, rows), self.rows + (offsets - begins)[series]


def forecast(asked: Asked, answer: Answer) -> bytes:
    """Gives the reply to a forecast."""
    found = answer.forecast
    by_level = {level: found.values[:, :, column].ravel() for column, level in enumerate(found.levels)}
    said = {
        "mean": by_level[_MEDIAN],
        "intervals": _intervals(asked.request.intervals, by_level),
        "feature_contributions": None,
    }
    return _encoded(said, answer.model, answer.warnings)


def cross_validation(asked: RollingAsked[Backtest], rolled: Rolled) -> bytes:
    """Gives the reply to a cross-validation; of a whole history, all steps from the first forecast one on."""
    inside = rolled.rows >= 0
    series = np.repeat(rolled.addresses.series, rolled.num_steps)
    steps = _Steps.of(asked, series, rolled.rows[inside])
    by_level = {level: rolled.values[:, :, column][inside] for column, level in enumerate(rolled.levels)}
    if asked.request.history:
        steps, places = steps.to_the_ends(asked, series)
        by_level = {level: _spread(values, places, steps) for level, values in by_level.items()}
    said = {
        **_where(steps),
        "mean": by_level[_MEDIAN],
        "intervals": _intervals(asked.request.intervals, by_level),
        "feature_contributions": None,
    }
    return _encoded(said, asked.model, asked.warnings)


def anomalies(asked: RollingAsked[Search], rolled: Rolled) -> bytes:
    """Gives the reply to a search in the whole history: all steps from the first judged one on."""
    found = judged(rolled, asked.request.level)
    steps, places = _Steps.of(asked, found.series, found.rows).to_the_ends(asked, found.series)
    flags = np.zeros(len(steps.rows), dtype=np.bool_)
    flags[places] = found.are_anomalies
    ends = (_spread(values, places, steps) for values in (found.lower, found.upper))
    said = {
        **_where(steps),
        "mean": _spread(found.median, places, steps),
        "intervals": _interval(asked.request.level, *ends),
        "anomaly": flags,
    }
    return _encoded(said, asked.model, asked.warnings)


def online_anomalies(asked: RollingAsked[Search], rolled: Rolled) -> bytes:
    """Gives the reply to a search among the last values."""
    found = judged(rolled, asked.request.level)
    together = asked.request.threshold_method == _MULTIVARIATE
    said = {
        **_where(_Steps.of(asked, found.series, found.rows)),
        "mean": found.median,
        "intervals": _interval(asked.request.level, found.lower, found.upper),
        "anomaly": found.accumulated > 1 if together else found.are_anomalies,
        "anomaly_score": found.scores,
        "accumulated_anomaly_score": found.accumulated if together else None,
    }
    return _encoded(said, asked.model, asked.warnings)


def _ends(request: RollingRequest) -> IntArray:
    """Gives where [S] the values of each series end among those that were sent."""
    return np.cumsum([len(one.target) for one in request.series])


def _spread(values: FloatArray, places: IntArray, steps: _Steps) -> FloatArray:
    """Gives values [n] at their places among some steps, NaN at the others."""
    spread = np.full(len(steps.rows), np.nan)
    spread[places] = values
    return spread


def _where(steps: _Steps) -> dict[str, Any]:
    return {"sizes": steps.sizes, "idxs": steps.rows}


def _interval(level: float, lower: FloatArray, upper: FloatArray) -> dict[str, FloatArray]:
    name = percent_name(level)
    return {f"lo-{name}": np.ascontiguousarray(lower), f"hi-{name}": np.ascontiguousarray(upper)}


def _intervals(percents: Sequence[float], by_level: Mapping[float, FloatArray]) -> dict[str, FloatArray] | None:
    """Gives both ends of each interval; null where none was asked for, which is what the SDK looks for."""
    found: dict[str, FloatArray] = {}
    for percent in percents:
        lower, upper = ends_of(percent)
        found |= _interval(percent, by_level[lower], by_level[upper])
    return found or None


def _encoded(said: Mapping[str, Any], model: ServedModel, warnings: Warnings) -> bytes:
    """Writes a reply, with what the SDK does not look at: which version answers, and what it says of the series."""
    told = [{"series": int(name), **one.model_dump()} for name, some in warnings.items() for one in some]
    return orjson.dumps(
        {**said, "weights_x": None, "model": reply.named(model), "warnings": told}, option=orjson.OPT_SERIALIZE_NUMPY
    )
