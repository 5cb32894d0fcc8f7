"""Plain ISO 8601 times, read without pandas: what programs send. `parse_times` reads the same, and all the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from forecaster.data.timestamps import Times

_PLAIN = re.compile(r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DATE = 10
# A day within the range of `parse_times`, so that no offset leads out of it; what lies beyond is rare.
_EARLIEST, _LATEST = datetime(1678, 1, 2), datetime(2261, 12, 30)  # noqa: DTZ001 - naive, as stored time is


def parse_plain(texts: Sequence[str]) -> Times | None:
    """Reads texts [n] of one layout and one offset; None where `parse_times` must look at them.

    That is for any other layout, for offsets that differ, and for days and times that do not exist.
    """
    found = [_PLAIN.fullmatch(text) for text in texts]
    if not found or None in found:
        return None
    suffixes = {match[2] for match in found if match}
    texts = [match[1] for match in found if match]
    suffix = suffixes.pop()
    if suffixes or len({len(text) > _DATE for text in texts}) > 1 or (suffix and len(texts[0]) == _DATE):
        return None
    offset = _minutes(suffix)
    try:
        local = [datetime.fromisoformat(text) for text in texts]
    except ValueError:
        return None
    if offset is None or not (min(local) >= _EARLIEST and max(local) <= _LATEST):
        return None
    utc = np.array(local, dtype="datetime64[us]")
    if offset:
        utc -= np.timedelta64(offset, "m")
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
