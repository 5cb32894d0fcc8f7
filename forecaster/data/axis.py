"""The time axis of a table: its zone, its frequency as given or inferred, and its times as stored on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.config import TableConfig
from forecaster.data.cells import Cells, Source
from forecaster.data.timestamps import refuse_integer_dates
from forecaster.errors import FrequencyError, TimestampError
from forecaster.time.frequency import Frequency, TimeAxis, infer_frequency
from forecaster.time.grid import StoredTimes
from forecaster.time.stored import clock_message
from forecaster.time.zones import seems_to_change, utc_from_wall, wall_from_utc, zone


def choose_axis(source: Source, config: TableConfig) -> TimeAxis:
    """Gives the axis of a table: the zone of `config` or of the timestamps, the frequency given or inferred.

    The frequency is inferred from the series with most rows. FrequencyError where that is not possible or
    integers and timestamps are confused.
    """
    timezone = config.timezone or source.timezone
    if timezone is not None:
        zone(timezone)
    steps = source.cells.times.dtype.kind == "i"
    if config.frequency is None and steps:
        refuse_integer_dates(source.cells.times)
    alias = config.frequency if config.frequency is not None else config.expected_frequency
    if alias is not None:
        frequency = Frequency.parse(alias)
        if frequency.is_step != steps:
            found = "integers" if steps else "timestamps"
            message = f"the time column holds {found}, which frequency {frequency.alias!r} does not count"
            raise FrequencyError(message, code="frequency-mismatch")
        return TimeAxis(frequency, timezone)
    return TimeAxis(_inferred(source, timezone), timezone)


def _inferred(source: Source, timezone: str | None) -> Frequency:
    cells = source.cells
    longest = int(np.bincount(cells.codes).argmax())
    times = cells.times[cells.codes == longest]
    try:
        return frequency_of(times, source.timezone is not None, timezone)
    except FrequencyError as error:
        needed = "frequency" if source.timezone is None or not seems_to_change(times) else "timezone"
        message = f"the frequency of {cells.owner(longest)} is unclear: {error} (set it with `{needed}`)"
        raise FrequencyError(message, code=error.code) from error


def frequency_of(times: StoredTimes, are_utc: bool, timezone: str | None) -> Frequency:
    """Infers the frequency of times as read, in wall time if that gives days or longer, else in UTC."""
    if timezone is None:
        return infer_frequency(times)
    try:
        in_wall_time = infer_frequency(wall_from_utc(times, timezone) if are_utc else times)
        if not in_wall_time.is_tick:
            return in_wall_time
    except FrequencyError:
        pass  # hours are irregular in wall time where the clocks change
    utc = times if are_utc else utc_from_wall(times, timezone)
    return infer_frequency(utc[~np.isnat(utc)])


def stored_cells(source: Source, axis: TimeAxis) -> Cells:
    """Gives the cells with stored times; TimestampError for naive times that the clock showed twice or never."""
    cells = source.cells
    if source.timezone is not None:
        return replace(cells, times=axis.store_utc(cells.times))
    if axis.timezone is None or not axis.frequency.is_tick:
        return cells
    utc = utc_from_wall(cells.times, axis.timezone)
    lost = np.isnat(utc)
    if lost.any():
        first = int(lost.argmax())
        message = f"{cells.owner(cells.codes[first])}, row {cells.rows[first]}: "
        raise TimestampError(message + clock_message(cells.times[lost], axis.timezone), code="ambiguous-timestamp")
    return replace(cells, times=utc)
