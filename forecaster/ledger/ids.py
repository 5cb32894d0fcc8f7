"""Ids of forecasts and jobs, and the clock that they ascend with."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

ID = "[0-9a-f]{32}"  # what all of them match


def new_id() -> str:
    """Gives an id that cannot be guessed, 32 hex digits; they ascend with time."""
    return f"{now_microseconds():014x}{secrets.token_hex(9)}"


def now_microseconds() -> int:
    """Gives the time, in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def time_text(microseconds: int) -> str:
    """Gives such a time as ISO 8601."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat().replace("+00:00", "Z")
