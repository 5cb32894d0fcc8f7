"""Rolled forecasts -> bytes of the reply of a backtest: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from forecaster.evaluation import RolledScores, score_rolled, seasonal_naive_beside
from forecaster.metrics import Scores
from forecaster.rolling import Rolled
from forecaster.types import level_name, percent_name
from service.answers.asked import RollingAsked
from service.answers.schemas import BacktestRequest
from service.answers.times import SeriesTimes
from service.requests import reply


def encoded(asked: RollingAsked[BacktestRequest], rolled: Rolled) -> bytes:
    """Gives the whole reply as JSON, with the seasonal naive scored beside the model."""
    scores, naive = score_rolled(rolled), score_rolled(seasonal_naive_beside(rolled))
    names = {round(percent / 100, 6): percent_name(percent) for percent in asked.request.intervals}
    document = {
        "model": reply.named(asked.model),
        "horizon": rolled.horizon,
        "metrics": _compared(scores.overall, naive.overall, names),
        "series": [
            {
                "id": series_id,
                "windows": list(_windows(asked, rolled, position)),
                "metrics": _of_series(scores, naive, position, names),
                "warnings": [warning.model_dump() for warning in asked.warnings.get(series_id, ())],
            }
            for position, series_id in enumerate(rolled.panel.series_ids)
        ],
    }
    return orjson.dumps(document, option=reply.options_of(rolled.panel.axis))


def _windows(asked: RollingAsked[BacktestRequest], rolled: Rolled, position: int) -> Iterator[dict[str, Any]]:
    """Yields what the reply says of each forecast of one series, the oldest first."""
    places, request = rolled.places(position), asked.request
    cutoffs, num_steps = rolled.addresses.cutoffs[places].tolist(), rolled.num_steps[places].tolist()
    if not cutoffs:
        return
    times = SeriesTimes.of(rolled.panel, position, cutoffs[0] - 1, cutoffs[-1] + num_steps[-1])
    columns = {level: column for column, level in enumerate(rolled.levels)}
    shown = sorted(request.quantiles or asked.model.bundle.predictor.levels)
    values = np.ascontiguousarray(rolled.values[places].transpose(0, 2, 1))  # [W Q H]
    for cutoff, steps, own, actual in zip(cutoffs, num_steps, values, rolled.actual[places], strict=True):
        found: dict[str, Any] = {
            "cutoff": times.between(cutoff - 1, cutoff)[0],
            "timestamps": times.between(cutoff, cutoff + steps),
            "quantiles": {level_name(level): own[columns[level], :steps] for level in shown},
        }
        if request.intervals:
            # Whole rows of a part of the columns would not lie in one piece, which orjson wants.
            found["intervals"] = reply.intervals_of(request.intervals, np.ascontiguousarray(own[:, :steps]), columns)
        yield {**found, "actual": actual[:steps]}


def _of_series(
    model: RolledScores, naive: RolledScores, position: int, names: Mapping[float, str]
) -> dict[str, Any] | None:
    if position not in model.by_series:
        return None
    return _compared(model.by_series[position], naive.by_series[position], names)


def _compared(model: Scores, naive: Scores, names: Mapping[float, str]) -> dict[str, Any]:
    return {"model": _metrics(model, names), "seasonal_naive": _metrics(naive, names)}


def _metrics(scores: Scores, names: Mapping[float, str]) -> dict[str, Any]:
    """Gives totals; NaN, where nothing could be scored, is null. `names` are those of the intervals asked for."""
    return {
        "mase": scores.mase,
        "smape": scores.smape,
        "wql": scores.weighted_quantile_loss,
        "coverage": {
            names.get(share) or percent_name(round(100 * share, 6)): value for share, value in scores.coverage.items()
        },
    }
