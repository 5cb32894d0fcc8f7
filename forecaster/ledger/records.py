"""What enters the ledger: a forecast as it was given, and values as they were observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forecaster.arrays import FloatArray, IntArray

# What is known of a forecast and stands in journal and database as it is.
FACTS = ("created", "model", "version", "digest", "generation", "media_type", "degraded")


@dataclass(frozen=True)
class GivenSeries:
    """The forecast of one series. Times are stored ones: microseconds of UTC or of a naive clock, or steps."""

    series_id: str
    segment: str  # what skill is told apart by beside the model; '' where nothing was said
    times: IntArray  # [H]
    values: FloatArray  # [H Q]
    history: FloatArray  # [n] NaN where missing


@dataclass(frozen=True)
class Given:
    """A forecast that was answered: who gave it, what was asked, what was said."""

    forecast_id: str
    created: int  # microseconds since 1970, UTC
    model: str
    version: str
    digest: str
    generation: int
    season_length: int
    levels: tuple[float, ...]  # Q, ascending
    series: tuple[GivenSeries, ...]
    media_type: str  # of the reply
    reply: bytes
    request: bytes  # as it was sent
    degraded: str | None = None  # why a fallback answered
    execution: Mapping[str, object] = field(default_factory=dict)  # what it takes to compute the same bytes again


@dataclass(frozen=True)
class Observed:
    """Values of one series as they were reported, NaN where one is taken back."""

    model: str
    series_id: str
    received: int  # microseconds since 1970, UTC
    times: IntArray  # [n]
    values: FloatArray  # [n]
