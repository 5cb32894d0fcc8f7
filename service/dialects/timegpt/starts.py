"""When series begin. Older SDKs do not say it, and newer ones not for a zone whose clocks change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.config import ModelConfig
from forecaster.time.frequency import Frequency
from forecaster.time.grid import StoredTimes
from service.errors import InvalidFields

_EARLIEST = np.datetime64("1700-01-01", "D")  # leaves 560 years for what follows
_LATEST = np.datetime64("2261-01-01", "D")
_LONGEST_CYCLE = 3700  # days after which every grid has come by
_SOME_STEPS = 50


def starts_of(
    given: Sequence[str] | None, sizes: Sequence[int], frequency: Frequency, model: ModelConfig
) -> Sequence[str | int]:
    """Gives the start of each series as /v1 reads it: what was sent, else one for which they all end together.

    InvalidFields for a model whose forecast hangs on when a series begins, where that was not sent.
    """
    if given is not None:
        if len(given) != len(sizes):
            raise InvalidFields.of("series.start_datetime", f"has {len(given)} times for {len(sizes)} series")
        return given
    before = max(sizes) - np.asarray(sizes, dtype=np.int64)
    if frequency.is_step:
        return [int(step) for step in before]
    first = _first_time(frequency)
    if _hangs_on_time(frequency, first, model):
        raise InvalidFields.of(
            "series.start_datetime",
            "is missing, and this model reads the calendar: newer SDKs (0.9.0) send it, for times in UTC, of a fixed "
            "offset or without a zone",
        )
    starts = frequency.advance(first, before)
    if ((starts < first) | (starts > _LATEST)).any():
        raise InvalidFields.of("series.sizes", f"differ by more steps of {frequency.alias!r} than calendars reach")
    return [str(time) for time in starts]


def _first_time(frequency: Frequency) -> StoredTimes:
    """Gives the earliest time [1] from which series of a frequency may start."""
    days = np.arange(_EARLIEST, _EARLIEST + _LONGEST_CYCLE).astype("datetime64[us]")
    return days[np.flatnonzero(frequency.holds(days))[:1]]


def _hangs_on_time(frequency: Frequency, first: StoredTimes, model: ModelConfig) -> bool:
    if model.covariates.calendar or model.covariates.holidays:
        return True
    lengths = np.diff(frequency.range(first[0], _SOME_STEPS))
    return model.reads_elapsed and bool((lengths != lengths[0]).any())
