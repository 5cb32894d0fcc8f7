"""What enters the ledger: a forecast as it was given, and values as they were observed; and the factors it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forecaster.arrays import FloatArray, IntArray

# The part of `execution` that says how a forecast was adapted, and the part of that of what each series was before, at
# the levels of `forecaster.online.CORE` [H 3]; null where the factor says it. Older records have none of it.
ADAPTION, OWN_CORE = "adaption", "own_core"

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
    execution: Mapping[str, Any] = field(default_factory=dict)  # what it takes to compute the same bytes again

    @property
    def factors(self) -> tuple[float | None, ...]:
        """By which the quantiles of each series were moved away from the median; None where that was not asked for."""
        adaption = self.execution.get(ADAPTION)
        return (None,) * len(self.series) if adaption is None else tuple(adaption["factors"])


@dataclass(frozen=True)
class Observed:
    """Values of one series as they were reported, NaN where one is taken back."""

    model: str
    series_id: str
    received: int  # microseconds since 1970, UTC
    times: IntArray  # [n]
    values: FloatArray  # [n]
    digest: str | None = None  # of the only model of that name that is meant; None: whatever has the name


@dataclass(frozen=True)
class Factors:
    """Those of one version."""

    by_series: Mapping[str, float]  # of series with enough that was observed
    of_model: float | None  # for all others: the median of them, where there are enough


@dataclass(frozen=True)
class Revision:
    """All factors at one moment; the number grows whenever one of them changes."""

    number: int
    by_version: Mapping[tuple[str, str], Factors]  # by model and version
