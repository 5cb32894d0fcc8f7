"""The tables of the ledger. `migrations/` makes them; a test holds both together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

metadata = MetaData()

forecasts = Table(
    "forecasts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("model", String(256), nullable=False),
    Column("version", String(64), nullable=False),
    Column("digest", String(128), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("levels", Text, nullable=False),  # JSON
    Column("degraded", String(64)),
    Column("media_type", String(64), nullable=False),
    Column("execution", Text, nullable=False),  # JSON
    Column("request", LargeBinary, nullable=False),  # zstd
    Column("reply", LargeBinary, nullable=False),  # zstd
    Index("forecasts_by_created", "created"),
)

forecasted_series = Table(
    "forecasted_series",
    metadata,
    Column("forecast_id", String(32), ForeignKey("forecasts.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("model", String(256), nullable=False),
    Column("series_id", String(256), nullable=False),
    Column("segment", String(256), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("times", LargeBinary, nullable=False),  # int64 [H]
    Column("quantiles", LargeBinary, nullable=False),  # float64 [H Q]
    Column("naive", LargeBinary, nullable=False),  # float64 [H], the seasonal naive
    Column("scale", Double),  # the denominator of MASE; none where the history has none
    # What came of it, once a step of it was observed.
    Column("num_observed", Integer, nullable=False),
    Column("mase", Double),
    Column("naive_mase", Double),
    Column("num_within", Integer),  # steps inside the central 80 % interval, of `num_observed`
    # What adaption reads and leaves behind.
    Column("factor", Double),  # by which its quantiles were moved away from the median; none: as the model said
    Column("distances", LargeBinary),  # float32 [H], of `forecaster.online`, from what the model said
    Index("forecasted_series_by_time", "model", "series_id", "last"),
)

adaption_states = Table(
    "adaption_states",
    metadata,
    Column("model", String(256), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("series_id", String(256), primary_key=True),
    Column("is_stale", Boolean, nullable=False),  # something of it was scored since
    Column("changed", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("revision", Integer, nullable=False),  # that brought this factor; 0: none was made yet
    Column("factor", Double, nullable=False),
    Column("num_times", Integer, nullable=False),  # that it is made of
    Index("adaption_states_by_stale", "is_stale"),
)

adaption_revisions = Table(
    "adaption_revisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("created", BigInteger, nullable=False),
)

actuals = Table(
    "actuals",
    metadata,
    Column("model", String(256), primary_key=True),
    Column("series_id", String(256), primary_key=True),
    Column("time", BigInteger, primary_key=True),
    Column("value", Double),  # none: taken back
    Column("received", BigInteger, nullable=False),
    Index("actuals_by_received", "received"),
)

# Work that somebody has asked for, and comes back for.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),  # they ascend with time
    Column("kind", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),  # microseconds since 1970, UTC, as all times of a job
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("expires", BigInteger, nullable=False),
    Column("lease_by", String(128)),  # who is at it
    Column("lease_until", BigInteger),  # of a pending job: it is not begun before
    Column("attempts", Integer, nullable=False),
    Column("progress", Double, nullable=False),  # from 0 to 1
    Column("request", LargeBinary, nullable=False),  # zstd
    Column("result", LargeBinary),  # zstd
    Column("problem", Text),  # JSON
    Column("idempotency", String(64)),  # digest of the key that its client gave it
    Column("digest", String(64), nullable=False),  # of kind and request
    UniqueConstraint("owner", "idempotency", name="jobs_by_idempotency"),
    Index("jobs_by_owner", "owner", "id"),
    Index("jobs_by_state", "state", "kind", "id"),
    Index("jobs_by_expires", "expires"),
)

# Models that were trained further on the data of a key, which alone may use them.
finetuned = Table(
    "finetuned",
    metadata,
    Column("name", String(128), primary_key=True),  # of the registered model
    Column("owner", String(64), nullable=False),
    Column("job_id", String(32), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("base", String(128), nullable=False),
    Column("base_version", String(64), nullable=False),
    Column("frequency", String(32), nullable=False),
    Column("max_steps", Integer, nullable=False),
    Column("trained_blocks", Integer),
    # What came of it; nothing while its job is under way.
    Column("version", String(64)),
    Column("digest", String(80)),
    Column("num_steps", Integer),
    Column("validation_loss", Double),
    Column("metrics", Text),  # JSON
    Column("deleted", BigInteger),
    Index("finetuned_by_owner", "owner", "name"),
)

# Who is champion of a model, generation by generation. Rows are added; of a row only the last two columns change, once.
promotions = Table(
    "promotions",
    metadata,
    Column("model", String(256), primary_key=True),
    Column("generation", Integer, primary_key=True),  # from 1 on, without gaps: of two who add the next one may
    Column("kind", String(32), nullable=False),
    Column("version", Integer),  # champion from now on; none: nobody is
    Column("before", Integer),  # champion until now
    Column("previous", Integer),  # what a roll back returns to from now on
    Column("digest", String(128), nullable=False),  # of the bundle of `version`
    Column("reason", Text, nullable=False),
    Column("actor", String(256), nullable=False),
    Column("run_id", String(64)),
    Column("created", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("written", BigInteger),  # when the registry was known to say so; none: not yet, or never
    Column("is_taken_over", Boolean, nullable=False),  # written by another than who added it
)

# Moments at which a model was to be retrained, and what came of each.
slots = Table(
    "slots",
    metadata,
    Column("id", String(32), primary_key=True),  # they ascend with time
    Column("model", String(128), nullable=False),
    Column("cause", String(32), nullable=False),  # 'cron', or the signal that fired
    Column("at", BigInteger, nullable=False),  # microseconds since 1970, UTC, as all times of a slot
    Column("state", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", String(64)),  # of the error that ended it
    Column("exit_code", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # trainings that were begun for it
    Column("begun", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("run_id", String(64)),
    Column("version", Integer),
    Column("profile", Text),  # JSON, of the data that it was trained on
    Column("report", Text),  # JSON
    UniqueConstraint("model", "cause", "at", name="slots_by_moment"),
    Index("slots_by_state", "model", "state", "at"),
)

trigger_states = Table(
    "trigger_states",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("signal", String(32), primary_key=True),
    Column("is_armed", Boolean, nullable=False),
    Column("fired", BigInteger),  # microseconds since 1970, UTC
    Column("looked", BigInteger, nullable=False),
    Column("value", Double),
)


def insert_into(table: Table, dialect: Dialect) -> Any:
    """Gives an insert that can say what happens to rows which are there."""
    return (sqlite if dialect.name == "sqlite" else postgresql).insert(table)
