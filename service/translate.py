"""Between the schemas and the domain: pure functions, no HTTP, no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.timestamps import Times, parse_times
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.types import Forecast, level_name
from service.errors import CovariatesNeeded, InvalidFields
from service.schemas import DataWarning, ForecastOut, ForecastReply, ForecastRequest, ModelRef, SeriesIn

_ID, _TIME, _TARGET = "unique_id", "ds", "y"


def check_num_points(request: ForecastRequest, max_points: int) -> None:
    """Refuses a request with more points than the limit, before any array is built."""
    points = sum(len(series.target) for series in request.series)
    if points > max_points:
        raise _field("series", f"{points} points, at most {max_points} are allowed")


def refuse_covariates(wanted: CovariateConfig) -> None:
    """Refuses requests to a model that reads covariates of the data; the calendar is made from the timestamps."""
    columns = {kind: names for kind, names in covariate_names(wanted).items() if names}
    if columns:
        needed = ", ".join(f"{kind} {', '.join(map(repr, names))}" for kind, names in columns.items())
        raise CovariatesNeeded(f"this model needs the covariates {needed}: a request has no place for them")


def covariate_names(wanted: CovariateConfig) -> dict[str, list[str]]:
    """Gives the covariates that a model reads from the data, by their kind."""
    return {
        "past": list(wanted.past),
        "known": list(wanted.known),
        "static": list(wanted.static),
        "category": list(wanted.categories),
    }


def to_panel(request: ForecastRequest, frequency: Frequency) -> tuple[Panel, dict[str, list[DataWarning]]]:
    """Gives the panel of a request, and by series what its data report found. Default frequency: the model's.

    Goes through `read_panel`, the door that files go through, so both accept and refuse the same.
    """
    chosen = Frequency.parse(request.frequency) if request.frequency else frequency
    ids = [series.id for series in request.series]
    if len(set(ids)) != len(ids):
        raise _field("series", "the ids of the series must differ")
    parsed = [_parse_times(series, position) for position, series in enumerate(request.series)]
    axis = _axis(chosen, request.timezone, parsed)
    columns = [_labels(series, times, axis) for series, times in zip(request.series, parsed, strict=True)]
    table = pd.DataFrame(
        {
            _ID: np.repeat(np.array(ids, dtype=object), [len(series.target) for series in request.series]),
            _TIME: columns[0].append(columns[1:]),
            _TARGET: np.concatenate([np.array(series.target, dtype=np.float64) for series in request.series]),
        }
    )
    named = {"frequency" if request.frequency else "expected_frequency": chosen.alias}
    reading = read_panel(table, TableConfig(layout="long", timezone=axis.timezone, **named))
    warnings: dict[str, list[DataWarning]] = {}
    for finding in reading.report.findings:
        if finding.series_id is not None:
            warnings.setdefault(finding.series_id, []).append(DataWarning(code=finding.code, message=finding.message))
    return reading.panel, warnings


def to_reply(
    request: ForecastRequest, forecast: Forecast, model: ModelRef, warnings: dict[str, list[DataWarning]]
) -> ForecastReply:
    """Gives the reply, series in the order of the request."""
    position = {series_id: index for index, series_id in enumerate(forecast.series_ids)}
    forecasts = [_series_out(forecast, position[series.id], warnings.get(series.id, [])) for series in request.series]
    return ForecastReply(model=model, forecasts=forecasts)


def _series_out(forecast: Forecast, position: int, warnings: list[DataWarning]) -> ForecastOut:
    quantiles = {level_name(level): forecast.values[position, :, q].tolist() for q, level in enumerate(forecast.levels)}
    return ForecastOut(
        id=forecast.series_ids[position],
        timestamps=_shown(forecast.timestamps(position)),
        quantiles=quantiles,
        warnings=warnings,
    )


def _shown(timestamps: pd.Index) -> list[str] | list[int]:
    if not isinstance(timestamps, pd.DatetimeIndex):
        return [int(step) for step in timestamps]
    return [stamp.isoformat().replace("+00:00", "Z") for stamp in timestamps]


def _parse_times(series: SeriesIn, position: int) -> Times:
    """Gives the start [1] or the timestamps [n] of one series, read as tables are read."""
    given = [series.start] if series.timestamps is None else series.timestamps
    times = parse_times(pd.Series(given))
    if not times.are_steps and np.isnat(times.values).any():
        first = int(np.isnat(times.values).argmax())
        where = "start" if series.timestamps is None else f"timestamps.{first}"
        raise _field(f"series.{position}.{where}", "is not an ISO 8601 time")
    return times


def _axis(frequency: Frequency, timezone: str | None, parsed: Sequence[Times]) -> TimeAxis:
    """Gives the axis of a request: the zone asked for, else that of all its times, else UTC where they differ."""
    for position, times in enumerate(parsed):
        if times.are_steps != frequency.is_step:
            found, wanted = ("integers", "times") if times.are_steps else ("times", "integers")
            raise _field(f"series.{position}", f"has {found}, but frequency {frequency.alias} counts {wanted}")
    zones = {times.timezone for times in parsed}
    if timezone is None and None in zones and len(zones) > 1:
        raise _field("series", "some series have times with an offset, others without; set timezone")
    return TimeAxis(frequency, timezone or (zones.pop() if len(zones) == 1 else "UTC"))


def _labels(series: SeriesIn, times: Times, axis: TimeAxis) -> pd.Index:
    """Gives the timestamp of each value of one series, in the zone of the axis."""
    if times.are_steps:
        stored = times.values
    elif times.timezone is None:
        stored = axis.store_naive(times.values)
    else:
        stored = axis.store_utc(times.values)
    return axis.label(stored) if series.start is None else axis.show(stored[0], len(series.target))


def _field(name: str, message: str) -> InvalidFields:
    return InvalidFields([{"field": name, "message": message}])
