"""Moments of UTC, as the ledger keeps them and as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from forecaster.ledger.ids import time_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Gives microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(number: int) -> datetime:
    """Gives the moment."""
    return _EPOCH + timedelta(microseconds=number)


def shown(number: int | None) -> str | None:
    """Gives the moment in ISO 8601, None for none."""
    return None if number is None else time_text(number)


def utc_now() -> datetime:
    """Gives this moment."""
    return datetime.now(UTC)


def microseconds_of(clock: Callable[[], datetime]) -> int:
    """Gives what a clock says in microseconds."""
    return to_microseconds(clock())
