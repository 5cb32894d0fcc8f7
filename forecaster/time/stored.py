"""Stored time: pandas timestamps and integers as plain arrays, and single times as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecaster.arrays import IntArray
from forecaster.errors import TimestampError
from forecaster.time.grid import StoredTimes
from forecaster.time.zones import naive

EARLIEST = np.datetime64("1678-01-01", "us")
LATEST = np.datetime64("2261-12-31T23:59:59.999999", "us")
FARTHEST_STEP = 10**15


def written(time: Any) -> str:
    """Gives a stored time as it is: an ISO 8601 text without offset, or a number."""
    return str(time) if time.dtype.kind == "i" else pd.Timestamp(time).isoformat()


def clock_message(wall: StoredTimes, timezone: str) -> str:
    """Says what is wrong with naive times that the clock of a zone showed twice or never, and how to mend it."""
    return (
        f"{written(wall[0])} is shown twice or never by the clock of {timezone}, where it is put back or forward "
        f"({len(wall)} such timestamp(s)): give offsets, or UTC times"
    )


def counts(times: StoredTimes) -> IntArray:
    """Gives stored times as integers: microseconds since 1970, of UTC or of a naive clock, or steps."""
    return times.astype("datetime64[us]" if times.dtype.kind == "M" else "int64").view(np.int64)


def microseconds(index: pd.DatetimeIndex) -> StoredTimes:
    """Gives an index as datetime64[us], in UTC where it has a zone, NaT where missing.

    TimestampError for years outside 1678..2261 and for times finer than a microsecond.
    """
    fine = naive(index.tz_convert("UTC")) if index.tz is not None else naive(index)
    outside = (fine < EARLIEST) | (fine > LATEST)
    if outside.any():
        message = f"timestamp {written(fine[outside][0])} is outside the years 1678 to 2261"
        raise TimestampError(message, code="timestamp-out-of-range")
    if index.unit == "ns" and (index.asi8[~np.isnat(fine)] % 1000).any():
        raise TimestampError("timestamps are finer than a microsecond", code="timestamp-too-fine")
    return fine


def whole_steps(column: pd.Series | pd.Index) -> StoredTimes:
    """Gives integers as int64; TimestampError beyond +/- 10^15, where steps could not be added safely."""
    if len(column) and max(abs(int(column.min())), abs(int(column.max()))) > FARTHEST_STEP:
        raise TimestampError("an integer step is beyond +/- 10^15", code="timestamp-out-of-range")
    return column.to_numpy(dtype=np.int64)


def steps_of(timestamps: pd.Series | pd.Index) -> StoredTimes:
    """Gives a column of integers as stored steps; TimestampError for nulls and for any other type."""
    if not pd.api.types.is_integer_dtype(timestamps.dtype) or timestamps.hasnans:
        message = f"integer steps are wanted, timestamps are of type {timestamps.dtype}"
        raise TimestampError(message, code="not-integer-steps")
    return whole_steps(timestamps)


def index_of(timestamps: pd.Series | pd.Index) -> pd.DatetimeIndex:
    """Gives a column of timestamps as an index; TimestampError for nulls and for any other type."""
    if timestamps.dtype.kind != "M":
        raise TimestampError(f"timestamps are wanted, got values of type {timestamps.dtype}", code="not-timestamps")
    if timestamps.hasnans:
        raise TimestampError("a timestamp is missing", code="null-timestamp")
    return pd.DatetimeIndex(timestamps)
