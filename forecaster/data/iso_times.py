"""Plain ISO 8601 times, read without pandas: what programs send. `parse_times` reads the same, and all the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from forecaster.data.timestamps import Times
from forecaster.time.grid import StoredTimes
from forecaster.time.stored import EARLIEST, LATEST

_PLAIN = re.compile(r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DATE = 10


def parse_plain(texts: Sequence[str]) -> Times | None:
    """Reads texts [n] of one layout and one offset; None where `parse_times` must look at them.

    That is for any other layout, for offsets that differ, and for days and times that do not exist.
    """
    found = [_PLAIN.fullmatch(text) for text in texts]
    if not found or None in found:
        return None
    suffixes = {match[2] for match in found if match}
    times = [match[1] for match in found if match]
    suffix = suffixes.pop()
    if suffixes or len({len(time) > _DATE for time in times}) > 1 or (suffix and len(times[0]) == _DATE):
        return None
    offset = _minutes(suffix)
    try:
        local = np.array(times, dtype="datetime64[us]")
    except ValueError:
        return None
    if offset is None or not _within(local) or not _within(utc := local - np.timedelta64(offset, "m")):
        return None
    zone = None if suffix is None else "UTC" if offset == 0 else f"UTC{suffix}"
    return Times(utc, zone)


def _minutes(suffix: str | None) -> int | None:
    """Gives an offset in minutes, 0 where there is none; None for one that no clock has."""
    if suffix is None or suffix == "Z":
        return 0
    hours, minutes = int(suffix[1:3]), int(suffix[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (60 * hours + minutes) * (-1 if suffix[0] == "-" else 1)


def _within(utc: StoredTimes) -> bool:
    return bool(utc.min() >= EARLIEST and utc.max() <= LATEST)
