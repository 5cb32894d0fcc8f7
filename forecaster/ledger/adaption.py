"""Factors of series, made of what the ledger has scored: stale ones are made anew, and a revision has a number.

A factor belongs to a version: how far its intervals were wrong says nothing of another's. Forecasts that the model did
not make are left out. Everything is read anew from the scores, so it does not matter in which order values came, how
often, or what they were before they were corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.records import Factors, Revision
from forecaster.ledger.rows import Row
from forecaster.ledger.tables import adaption_revisions as revisions
from forecaster.ledger.tables import adaption_states as states
from forecaster.ledger.tables import forecasted_series as series
from forecaster.ledger.tables import forecasts
from forecaster.online import ENOUGH, ENOUGH_SERIES, factor_of

MOST_SERIES = 100_000  # whose factors are given out, those that changed last

_AT_ONCE = 200  # series of one transaction
_MOST_FORECASTS = 1024  # of one series that are looked at, the last ones

_IS_OWN = sa.and_(
    states.c.model == sa.bindparam("own_model"),
    states.c.version == sa.bindparam("own_version"),
    states.c.series_id == sa.bindparam("own_series"),
)


def stale_rows(scored: Sequence[sa.RowMapping]) -> list[Row]:
    """Gives a row for each series and version of which something was scored."""
    keys = {(row["model"], row["version"], row["series_id"]) for row in scored if row["degraded"] is None}
    return [
        {
            **dict(zip(("model", "version", "series_id"), key, strict=True)),
            "is_stale": True,
            "changed": 0,
            "revision": 0,
            "factor": 1.0,
            "num_times": 0,
        }
        for key in sorted(keys)
    ]


def renew(connection: sa.Connection, now: int) -> int:
    """Makes some of the stale factors anew, `now` in microseconds; gives how many, 0 where none is stale.

    The marks go first: what is scored meanwhile waits for them, and marks its series again.
    """
    found = connection.execute(sa.select(states).where(states.c.is_stale).limit(_AT_ONCE)).mappings().all()
    if not found:
        return 0
    connection.execute(sa.update(states).where(_IS_OWN).values(is_stale=False), [_key(row) for row in found])
    made = [(row, *_made(connection, row)) for row in found]
    changed = [(row, factor, number) for row, factor, number in made if _is_new(row, factor, number)]
    if changed:
        revision = connection.execute(sa.insert(revisions).values(created=now)).inserted_primary_key
        assert revision is not None
        news = [{**_key(row), "factor": factor, "num_times": number} for row, factor, number in changed]
        connection.execute(sa.update(states).where(_IS_OWN).values(revision=revision[0], changed=now), news)
    return len(found)


def current_number(connection: sa.Connection) -> int:
    """Gives the number of the newest revision, 0 where there is none."""
    return connection.execute(sa.select(sa.func.max(revisions.c.number))).scalar() or 0


def current(connection: sa.Connection) -> Revision:
    """Gives the newest revision."""
    number = current_number(connection)
    query = sa.select(states).where(states.c.num_times >= ENOUGH)
    query = query.order_by(states.c.changed.desc(), states.c.series_id).limit(MOST_SERIES)
    by_version: dict[tuple[str, str], dict[str, float]] = {}
    for row in connection.execute(query).mappings():
        by_version.setdefault((row["model"], row["version"]), {})[row["series_id"]] = row["factor"]
    return Revision(number, {key: Factors(own, _of_model(own)) for key, own in by_version.items()})


def expire(connection: sa.Connection, before: int) -> None:
    """Deletes factors that did not change since, and revisions made before, all but the newest."""
    _delete(connection, sa.and_(states.c.changed < before, sa.not_(states.c.is_stale)))
    is_old = sa.and_(revisions.c.created < before, revisions.c.number < current_number(connection))
    connection.execute(sa.delete(revisions).where(is_old))


def forget(connection: sa.Connection, model: str) -> None:
    """Deletes the factors of a model."""
    _delete(connection, states.c.model == model)


def _delete(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Deletes factors; where some of them were given out, that is a revision, which does so no more."""
    num_given_out = connection.execute(sa.delete(states).where(which, states.c.num_times >= ENOUGH)).rowcount
    connection.execute(sa.delete(states).where(which))
    if num_given_out:
        connection.execute(sa.insert(revisions).values(created=now_microseconds()))


def _of_model(own: Mapping[str, float]) -> float | None:
    return float(np.median(list(own.values()))) if len(own) >= ENOUGH_SERIES else None


def _key(row: sa.RowMapping) -> Row:
    return {"own_model": row["model"], "own_version": row["version"], "own_series": row["series_id"]}


def _made(connection: sa.Connection, row: sa.RowMapping) -> tuple[float, int]:
    """Gives the factor of a series, and of how many times it is."""
    query: sa.Select[Any] = (
        sa.select(series.c.times, series.c.distances)
        .join(forecasts)
        .where(
            series.c.model == row["model"],
            series.c.series_id == row["series_id"],
            series.c.num_observed > 0,
            series.c.distances.is_not(None),
            forecasts.c.version == row["version"],
            forecasts.c.degraded.is_(None),
        )
        .order_by(series.c.last.desc(), series.c.forecast_id)
        .limit(_MOST_FORECASTS)
    )
    found = connection.execute(query).all()
    times = np.frombuffer(b"".join(one.times for one in found), "<i8")
    away = np.frombuffer(b"".join(one.distances for one in found), "<f4").astype(np.float64)
    return factor_of(times, away)


def _is_new(row: sa.RowMapping, factor: float, num_times: int) -> bool:
    return (row["factor"], row["num_times"]) != (factor, num_times)
