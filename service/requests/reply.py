"""Forecast -> bytes of the reply: pure functions. Numbers and times are written without a Python object for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from forecaster.arrays import FloatArray
from forecaster.online import ANCHOR
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes
from forecaster.types import Forecast, ends_of, level_name, percent_name
from service.models.view import ServedModel
from service.requests.adaption import Adaption
from service.requests.translate import Warnings
from service.schemas import ForecastOptions

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_UTC = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


@dataclass(frozen=True)
class Answer:
    """All that the reply to a request says."""

    model: ServedModel
    forecast: Forecast
    levels: tuple[float, ...]  # of the forecast's, those to show as quantiles
    warnings: Warnings
    samples: FloatArray | None = None  # [S N H]
    degraded: str | None = None  # why a fallback answered
    forecast_id: str | None = None  # in the ledger
    adaption: Adaption | None = None  # that the forecast has been through


def levels_of(request: ForecastOptions, levels: tuple[float, ...]) -> list[float] | None:
    """Gives the levels that quantiles, intervals, samples and adaption need together, `levels` being the model's own.

    None: just those.
    """
    if not request.intervals and request.samples is None and not request.adapt:
        return request.quantiles
    if request.quantiles is not None and len(set(request.quantiles)) < len(request.quantiles):
        return request.quantiles  # refused as it is
    drawn = levels if request.samples is not None else ()
    ends = [end for percent in request.intervals for end in ends_of(percent)]
    anchor = (ANCHOR,) if request.adapt else ()
    return sorted({*(request.quantiles or levels), *ends, *drawn, *anchor})


def head(answer: Answer) -> dict[str, Any]:
    """Gives what a reply says before its forecasts."""
    found: dict[str, Any] = {"model": named(answer.model)}
    if answer.degraded is not None:
        found["degraded"] = answer.degraded
    if answer.adaption is not None:
        found["adaption_revision"] = answer.adaption.revision
    return found if answer.forecast_id is None else {"id": answer.forecast_id, **found}


def named(model: ServedModel) -> dict[str, Any]:
    """Gives what a reply says of the version that answers."""
    return {
        "name": model.reference.name,
        "version": model.reference.version,
        "digest": model.reference.digest,
        "generation": model.generation,
    }


def forecasts(request: ForecastOptions, answer: Answer) -> Iterator[dict[str, Any]]:
    """Yields what the reply says of each series."""
    forecast = answer.forecast
    values = np.ascontiguousarray(forecast.values.transpose(0, 2, 1))  # [S Q H]
    columns = {level: column for column, level in enumerate(forecast.levels)}
    shown = [(level_name(level), columns[level]) for level in answer.levels]
    for position, series_id in enumerate(forecast.series_ids):
        own = values[position]
        found: dict[str, Any] = {
            "id": series_id,
            "timestamps": times(forecast.axis, forecast.times[position]),
            "quantiles": {name: own[column] for name, column in shown},
        }
        if request.intervals:
            found["intervals"] = intervals_of(request.intervals, own, columns)
        if answer.samples is not None:
            found["samples"] = np.ascontiguousarray(answer.samples[position])
        if answer.adaption is not None:
            found["adapted_by"] = answer.adaption.sources[position]
        found["warnings"] = [warning.model_dump() for warning in answer.warnings.get(series_id, ())]
        yield found


def intervals_of(percents: Sequence[float], own: FloatArray, columns: dict[float, int]) -> dict[str, Any]:
    """Gives both ends of each central interval, from the quantiles [Q H] of one series."""
    ends = {percent_name(percent): ends_of(percent) for percent in percents}
    return {name: {"lower": own[columns[low]], "upper": own[columns[high]]} for name, (low, high) in ends.items()}


def encoded(request: ForecastOptions, answer: Answer) -> bytes:
    """Gives the whole reply as JSON."""
    return orjson.dumps(
        {**head(answer), "forecasts": list(forecasts(request, answer))}, option=options_of(answer.forecast.axis)
    )


def first_line(answer: Answer) -> bytes:
    """Gives the head of a reply in lines of JSON."""
    return orjson.dumps(head(answer), option=_OPTIONS | orjson.OPT_APPEND_NEWLINE)


def lines(request: ForecastOptions, answer: Answer) -> bytes:
    """Gives a line of JSON for each series."""
    option = options_of(answer.forecast.axis) | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(one, option=option) for one in forecasts(request, answer))


def timestamps(axis: TimeAxis, start: Any, num: int) -> StoredTimes | list[str]:
    """Gives the timestamps from a stored one on, as `times` does."""
    return times(axis, axis.frequency.range(start, num))


def times(axis: TimeAxis, stored: StoredTimes) -> StoredTimes | list[str]:
    """Gives stored times as what is written as ISO 8601 with the offset of the axis' zone.

    Integers, naive times and UTC are written as they are stored, the last with a Z by `options_of`.
    """
    if axis.frequency.is_step or axis.timezone in (None, "UTC"):
        return stored
    return [stamp.isoformat().replace("+00:00", "Z") for stamp in axis.label(stored)]


def options_of(axis: TimeAxis) -> int:
    """Gives how orjson writes an answer: arrays as they are, stored times of UTC with a Z."""
    return _OPTIONS | (_UTC if axis.timezone == "UTC" else 0)
