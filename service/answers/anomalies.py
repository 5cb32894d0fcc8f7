"""Rolled forecasts -> bytes of the reply of a search for anomalies: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from forecaster.anomalies import Anomalies, judged
from forecaster.rolling import Rolled
from forecaster.types import ends_of
from service.answers.asked import RollingAsked
from service.answers.schemas import AnomalyRequest
from service.answers.times import SeriesTimes
from service.requests import reply


def encoded(asked: RollingAsked[AnomalyRequest], rolled: Rolled) -> bytes:
    """Gives the whole reply as JSON."""
    level = asked.request.level
    document = {
        "model": reply.named(asked.model),
        "level": level,
        "extrapolated": not set(ends_of(level)) <= set(rolled.levels),
        "series": list(_series(asked, rolled, judged(rolled, level))),
    }
    return orjson.dumps(document, option=reply.options_of(rolled.panel.axis))


def _series(asked: RollingAsked[AnomalyRequest], rolled: Rolled, found: Anomalies) -> Iterator[dict[str, Any]]:
    """Yields what the reply says of each series."""
    flags = found.are_anomalies
    for position, series_id in enumerate(rolled.panel.series_ids):
        places = found.places(position)
        told: dict[str, Any] = {
            "id": series_id,
            "timestamps": _timestamps(rolled, found, position),
            "actual": found.actual[places],
            "median": found.median[places],
            "lower": found.lower[places],
            "upper": found.upper[places],
            "anomaly": flags[places],
            "score": found.scores[places],
        }
        if asked.request.detection_size is not None:
            told["accumulated_score"] = found.accumulated[places]
        told["warnings"] = [warning.model_dump() for warning in asked.warnings.get(series_id, ())]
        yield told


def _timestamps(rolled: Rolled, found: Anomalies, position: int) -> list[Any]:
    """Gives the timestamps of the judged steps, between which windows without a value to see may be missing."""
    steps = (found.rows[found.places(position)] - rolled.panel.offsets[position]).tolist()
    if not steps:
        return []
    written = SeriesTimes.of(rolled.panel, position, steps[0], steps[-1] + 1).written
    return [written[step - steps[0]] for step in steps]
