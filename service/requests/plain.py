"""Plain requests, which nearly all are, read without a panel: regular series of numbers from a start on, no more."""

from __future__ import annotations

from functools import lru_cache

from forecaster.config import ModelConfig
from forecaster.data.iso_times import parse_plain
from forecaster.errors import TimestampError
from forecaster.plain_question import PlainSeries, plain_series
from forecaster.time.frequency import Frequency, TimeAxis
from service.schemas import ForecastRequest, SeriesIn


def plain_series_of(request: ForecastRequest, frequency: Frequency, model: ModelConfig) -> PlainSeries | None:
    """Gives the series of a request to a model of that frequency; None where `to_panel` has to look at them.

    Where this gives series, `to_panel` gives the same ones, and has no warnings.
    """
    if not model.reads_context_alone or frequency.is_step:
        return None
    if request.frequency is not None and Frequency.parse(request.frequency) != frequency:
        return None
    starts = [series.start for series in request.series if isinstance(series.start, str) and _is_bare(series)]
    times = parse_plain(starts) if len(starts) == len(request.series) else None
    if times is None:
        return None
    try:
        axis = _axis(frequency, request.timezone or times.timezone)
        stored = axis.store_naive(times.values) if times.timezone is None else axis.store_utc(times.values)
    except TimestampError:  # which `to_panel` can say of which series
        return None
    ids = [series.id for series in request.series]
    return plain_series(ids, stored, [series.target for series in request.series], axis)


def _is_bare(series: SeriesIn) -> bool:
    """Says whether a series has nothing beside its target."""
    return not (series.past or series.known or series.static or series.group)


@lru_cache(maxsize=256)
def _axis(frequency: Frequency, timezone: str | None) -> TimeAxis:
    return TimeAxis(frequency, timezone)
