"""The ledger in a database: SQLite or Postgres, by SQLAlchemy.

All that is written is written by `add`, in one transaction, and may be written again: a forecast that is there stays
as it is, and of two values of one time the one that was received later counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import zstandard

from forecaster.ledger import adaption
from forecaster.ledger.failures import told
from forecaster.ledger.freed import digests_of, of_models_there
from forecaster.ledger.joining import met_by, new_and_observed, score_again
from forecaster.ledger.records import FACTS, Given, Observed, Revision
from forecaster.ledger.rows import forecast_row, series_rows, value_rows
from forecaster.ledger.scoring import Outcome
from forecaster.ledger.skill import Drift, Skill, drifts, skill_query
from forecaster.ledger.tables import actuals, adaption_states, forecasted_series, forecasts, insert_into

# Of libpq, for which others wait: seconds to connect, and of silence on a connection until it is looked after, and
# milliseconds until one is given up on which nothing arrives.
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}

_ADDING = 6_103_557_281  # of Postgres' advisory locks, any number that no other lock has


@dataclass(frozen=True)
class Kept:
    """A forecast as the ledger has it; `outcomes` are those of its series, in their order."""

    forecast_id: str
    created: int  # microseconds since 1970, UTC
    model: str
    version: str
    digest: str
    generation: int
    degraded: str | None
    media_type: str
    execution: dict[str, Any]
    request: bytes
    reply: bytes
    outcomes: tuple[tuple[str, Outcome], ...]  # by series


class Ledger:
    """One database. Raises LedgerUnavailableError where it cannot be used, LedgerError for what it does not take in."""

    def __init__(self, url: str) -> None:
        """Opens the database at a SQLAlchemy URL; `forecaster.ledger.upgrade` must have made its tables."""
        with told():
            self.engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"), connect_args=_patience(url))
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def add(self, given: Sequence[Given] = (), observed: Sequence[Observed] = ()) -> int:
        """Writes forecasts and values, scores what they meet, and gives the number of series that were scored.

        Those of fine-tuned models that are not there any more are left out.
        """
        with self.writing() as connection:
            _take_turn(connection)
            digests = digests_of(connection, [*given, *observed])
            given, observed = of_models_there(given, digests), of_models_there(observed, digests)
            rows = [row for one in given for row in series_rows(one)]
            if given:
                connection.execute(
                    self._insert(forecasts).on_conflict_do_nothing(), [forecast_row(one) for one in given]
                )
                connection.execute(self._insert(forecasted_series).on_conflict_do_nothing(), rows)
            values = value_rows(observed)
            if values:
                connection.execute(self._later_values(), values)
            scored = [*new_and_observed(connection, rows), *met_by(connection, values)]
            stale = adaption.stale_rows(scored)
            if stale:
                connection.execute(self._marked_stale(), stale)
            return score_again(connection, scored)

    def adapt(self, now: int) -> int:
        """Makes some factors anew of which something was scored since, `now` in microseconds; gives how many."""
        with self.writing() as connection:
            return adaption.renew(connection, now)

    def adaption_number(self) -> int:
        """Gives the number of the newest revision of factors, 0 where there is none."""
        with self.reading() as connection:
            return adaption.current_number(connection)

    def adaption(self) -> Revision:
        """Gives the newest revision of factors."""
        with self.reading() as connection:
            return adaption.current(connection)

    def forecast(self, forecast_id: str) -> Kept | None:
        """Gives a forecast, None where there is none of this id."""
        with self.reading() as connection:
            row = connection.execute(sa.select(forecasts).where(forecasts.c.id == forecast_id)).mappings().first()
            if row is None:
                return None
            series = connection.execute(
                sa.select(forecasted_series)
                .where(forecasted_series.c.forecast_id == forecast_id)
                .order_by(forecasted_series.c.position)
            ).mappings()
            found = tuple((one["series_id"], _outcome_of(one)) for one in series)
        return Kept(
            forecast_id=row["id"],
            **{name: row[name] for name in FACTS},
            execution=json.loads(row["execution"]),
            request=zstandard.decompress(row["request"]),
            reply=zstandard.decompress(row["reply"]),
            outcomes=found,
        )

    def skill(
        self,
        model: str | None = None,
        since: int | None = None,
        until: int | None = None,
        *,
        by_segment: bool = True,
        by_series: bool = False,
    ) -> list[Skill]:
        """Gives the skill of each model, version and segment, of forecasts made in [since, until), or all.

        By series, each of them is a segment of the name of its id.
        """
        query = skill_query(model, since, until, by_segment=by_segment, by_series=by_series)
        with self.reading() as connection:
            return [Skill(**row) for row in connection.execute(query).mappings()]

    def drifts(
        self,
        since_recent: int,
        model: str | None = None,
        since: int | None = None,
        until: int | None = None,
        *,
        by_segment: bool = True,
    ) -> dict[tuple[str, str, str], Drift]:
        """Compares forecasts made in [since, since_recent) with those of [since_recent, until), by `Skill.key`."""
        earlier = self.skill(model, since, since_recent, by_segment=by_segment)
        return drifts(earlier, self.skill(model, since_recent, until, by_segment=by_segment))

    def is_made(self) -> bool:
        """Says whether the tables are there."""
        with self.reading() as connection:
            return sa.inspect(connection).has_table(forecasts.name)

    def expire(self, before: int) -> int:
        """Deletes forecasts that were made, and values that were received, before a time; gives how many of both."""
        with self.writing() as connection:
            old = sa.select(forecasts.c.id).where(forecasts.c.created < before)
            connection.execute(sa.delete(forecasted_series).where(forecasted_series.c.forecast_id.in_(old)))
            adaption.expire(connection, before)
            gone = connection.execute(sa.delete(forecasts).where(forecasts.c.created < before)).rowcount
            return gone + connection.execute(sa.delete(actuals).where(actuals.c.received < before)).rowcount

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Gives a connection whose transaction is written at the end of the block, or not at all."""
        with told(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Gives a connection to read by."""
        with told(), self.engine.connect() as connection:
            yield connection

    def _insert(self, table: sa.Table) -> Any:
        return insert_into(table, self.engine.dialect)

    def _marked_stale(self) -> Any:
        insert = self._insert(adaption_states)
        key = [adaption_states.c.model, adaption_states.c.version, adaption_states.c.series_id]
        return insert.on_conflict_do_update(index_elements=key, set_={"is_stale": True})

    def _later_values(self) -> Any:
        insert = self._insert(actuals)
        new = insert.excluded
        return insert.on_conflict_do_update(
            index_elements=[actuals.c.model, actuals.c.series_id, actuals.c.time],
            set_={"value": new.value, "received": new.received},
            where=new.received >= actuals.c.received,
        )


def kept(given: Given) -> Kept:
    """Gives a forecast as the ledger would, of which nothing was observed yet."""
    return Kept(
        **{name: getattr(given, name) for name in ("forecast_id", *FACTS, "request", "reply")},
        execution=dict(given.execution),
        outcomes=tuple((series.series_id, Outcome(0)) for series in given.series),
    )


def _patience(url: str) -> dict[str, int]:
    """Gives how long Postgres may be silent where the URL does not say so; without it, for hours."""
    place = sa.make_url(url)
    is_by_libpq = place.drivername in ("postgresql", "postgresql+psycopg2", "postgresql+psycopg")
    return {name: value for name, value in _PATIENCE.items() if is_by_libpq and name not in place.query}


def _take_turn(connection: sa.Connection) -> None:
    """Has others that add wait until this transaction ends, as SQLite has them anyway.

    Of a forecast and its values that are added at the same time neither would see the other, and nobody looks again.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADDING)))


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Lets others read while one writes, and what is written outlast the process.

    Python's driver would begin transactions of its own, and none for statements that make tables.
    """
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _outcome_of(row: sa.RowMapping) -> Outcome:
    return Outcome(row["num_observed"], row["mase"], row["naive_mase"], row["num_within"])
