"""Wall time and UTC: conversions of naive microseconds between them, in IANA zones or fixed offsets."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray
from forecaster.errors import TimestampError
from forecaster.time.grid import StoredTimes, split_day

_HOUR = 3_600_000_000  # microseconds
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):(\d{2})")
# Files that many systems keep among the zones: this machine's own clock, and clocks that count leap seconds.
_NO_ZONE = re.compile(r"localtime|posixrules|Factory|right/.*")


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """Gives the zone of an IANA name or of a fixed offset ('UTC+01:00'); TimestampError where there is none."""
    if offset := _OFFSET.fullmatch(name):
        sign = -1 if offset[1] == "-" else 1
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes < 24 * 60:
            return timezone(sign * timedelta(minutes=minutes))
    if _NO_ZONE.fullmatch(name):
        raise _unknown(name)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise _unknown(name) from error


def _unknown(name: str) -> TimestampError:
    message = f"time zone {name[:40]!r} is unknown: wanted an IANA name such as 'Europe/Berlin' or 'UTC'"
    return TimestampError(message, code="unknown-timezone")


def zone_name(found: tzinfo) -> str:
    """Gives the name of a zone as `zone` reads it; TimestampError where it has neither name nor fixed offset."""
    name = getattr(found, "key", None) or getattr(found, "zone", None)  # zoneinfo, pytz
    if name:
        return str(name)
    offset = found.utcoffset(None)
    if offset is None:
        message = f"time zone {str(found)[:60]!r} has no name: convert the timestamps to a named zone or to UTC"
        raise TimestampError(message, code="unknown-timezone")
    return str(timezone(offset))


def seems_to_change(utc: StoredTimes) -> bool:
    """Says whether times are like midnights of a zone whose clocks change: of two hours of the day, one apart."""
    hours = np.unique(split_day(utc)[1].astype(np.int64))
    return len(hours) == 2 and int(hours[1] - hours[0]) in (_HOUR, 23 * _HOUR)


def utc_from_wall(wall: StoredTimes, name: str) -> StoredTimes:
    """Gives UTC [n]; NaT where the clock showed that time twice or never."""
    local = pd.DatetimeIndex(wall).tz_localize(zone(name), ambiguous="NaT", nonexistent="NaT")
    return naive(local.tz_convert("UTC"))


def wall_from_utc(utc: StoredTimes, name: str) -> StoredTimes:
    """Gives wall time [n], fit for a calendar grid.

    On a day that has no midnight, because the clock is put forward just then, the first moment counts as
    midnight, unless another day has a time at that hour: series may begin their days then. `shown` turns it back.
    """
    wall = naive(pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone(name)))
    midnight = split_day(wall)[0].astype("datetime64[us]")
    late = np.asarray(wall != midnight)
    if not late.any():
        return wall
    late[late] = _has_no_midnight(midnight[late], wall[late], name)
    if not late.any():
        return wall
    hours = wall - midnight
    return np.where(late & ~np.isin(hours, hours[~late]), midnight, wall)


def _has_no_midnight(midnight: StoredTimes, wall: StoredTimes, name: str) -> BoolArray:
    return np.asarray(naive(shown(midnight, name)) == wall)


def shown(wall: StoredTimes, name: str) -> pd.DatetimeIndex:
    """Gives the instants of calendar wall times: the first of two, the next one there is where it never was."""
    first = np.ones(len(wall), dtype=np.bool_)
    return pd.DatetimeIndex(wall).tz_localize(zone(name), ambiguous=first, nonexistent="shift_forward")


def naive(index: pd.DatetimeIndex) -> StoredTimes:
    """Gives the wall time an index shows as datetime64[us]."""
    return index.tz_localize(None).to_numpy().astype("datetime64[us]")
