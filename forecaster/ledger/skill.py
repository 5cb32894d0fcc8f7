"""How good forecasts turned out to be beside the seasonal naive, and whether that changes: a row for each segment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from forecaster.ledger.tables import forecasted_series as series
from forecaster.ledger.tables import forecasts


@dataclass(frozen=True)
class Skill:
    """Means over the forecasts of single series of which at least a step was observed, None for none."""

    model: str
    version: str
    segment: str
    num_forecasts: int  # of single series
    num_observed: int  # steps
    mase: float | None
    naive_mase: float | None  # of the seasonal naive, over the same steps
    coverage_80: float | None  # observed share of steps inside the central 80 % interval

    @property
    def relative_mase(self) -> float | None:
        """MASE over that of the seasonal naive: below 1 is better than it."""
        return self.mase / self.naive_mase if self.mase is not None and self.naive_mase else None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is told apart: model, version and segment."""
        return self.model, self.version, self.segment


@dataclass(frozen=True)
class Drift:
    """How recent forecasts of a version differ from its earlier ones; None where either cannot be told.

    Forecasts that are close in time are not independent: of a few, a difference says little.
    """

    num_forecasts: int  # recent ones of single series
    relative_mase: float | None  # that of recent forecasts over that of earlier ones: above 1 is worse
    coverage_80: float | None  # that of recent forecasts, less that of earlier ones

    @classmethod
    def between(cls, earlier: Skill, recent: Skill) -> Drift:
        """Compares both."""
        now, before = recent.relative_mase, earlier.relative_mase
        inside, inside_before = recent.coverage_80, earlier.coverage_80
        return cls(
            recent.num_forecasts,
            now / before if now is not None and before else None,
            inside - inside_before if inside is not None and inside_before is not None else None,
        )


def drifts(earlier: Iterable[Skill], recent: Iterable[Skill]) -> dict[tuple[str, str, str], Drift]:
    """Compares what is in both, by model, version and segment."""
    before = {one.key: one for one in earlier}
    return {one.key: Drift.between(before[one.key], one) for one in recent if one.key in before}


def skill_query(
    model: str | None, since: int | None, until: int | None, *, by_segment: bool = True, by_series: bool = False
) -> sa.Select[Any]:
    """Selects the fields of `Skill`, of forecasts made in [since, until) in microseconds of UTC.

    Without segments, all of a version are one, whose name is ''; by series, each is a segment of the name of its id.
    """
    by_name = series.c.series_id if by_series else series.c.segment
    segment = by_name if by_segment or by_series else sa.literal("")
    groups = [forecasts.c.model, forecasts.c.version, *([segment] if by_segment or by_series else [])]
    with_interval = sa.case((series.c.num_within.is_not(None), series.c.num_observed))
    query = (
        sa.select(
            forecasts.c.model,
            forecasts.c.version,
            segment.label("segment"),
            sa.func.count().label("num_forecasts"),
            sa.cast(sa.func.sum(series.c.num_observed), sa.BigInteger).label("num_observed"),
            sa.func.avg(series.c.mase).label("mase"),
            sa.func.avg(sa.case((series.c.mase.is_not(None), series.c.naive_mase))).label("naive_mase"),
            (1.0 * sa.func.sum(series.c.num_within) / sa.func.sum(with_interval)).label("coverage_80"),
        )
        .join(series)
        .where(series.c.num_observed > 0, forecasts.c.degraded.is_(None))
        .group_by(*groups)
        .order_by(*groups)
    )
    if model is not None:
        query = query.where(forecasts.c.model == model)
    if since is not None:
        query = query.where(forecasts.c.created >= since)
    if until is not None:
        query = query.where(forecasts.c.created < until)
    return query
