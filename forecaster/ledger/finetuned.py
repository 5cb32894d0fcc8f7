"""The fine-tuned models of a ledger: whose they are, where they are registered, and which are to be deleted.

reserve ──> under way ── done ──> there ── delete ──> to be deleted ── forget ──> gone
                └── its job failed, was cancelled or is gone ──────────↗
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from forecaster.ledger.freed import erase
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.job import OPEN, NewJob, Refusal
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import finetuned, insert_into, jobs

if TYPE_CHECKING:  # it imports pandas, which a keeper has no use for
    from forecaster.ledger.finetune_order import FinetuneOrder

_c = finetuned.c
_NO_FACTS = frozenset({"version", "digest", "num_steps", "validation_loss", "metrics", "deleted"})
_is_open = sa.exists().where(jobs.c.id == _c.job_id, jobs.c.state.in_(OPEN))
_is_void = sa.and_(_c.version.is_(None), ~_is_open)
_is_there = sa.and_(_c.version.is_not(None), _c.deleted.is_(None))


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    version: str
    digest: str
    num_steps: int
    validation_loss: float
    metrics: Mapping[str, Any] | None


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model. Times are in microseconds since 1970, UTC."""

    name: str
    owner: str
    job_id: str
    created: int
    base: str
    base_version: str
    frequency: str
    max_steps: int
    trained_blocks: int | None
    outcome: Outcome


@dataclass(frozen=True)
class Forgotten:
    """A model that is to be taken out of the registry."""

    name: str
    job_id: str
    was_there: bool  # else its job came to nothing


class Finetuned:
    """The fine-tuned models of one ledger, whose errors it raises."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def named(self, name: str, owner: str) -> Tuned | None:
        """Gives a model of an owner, None where there is none, or none yet."""
        query = sa.select(finetuned).where(_c.name == name, _c.owner == owner, _is_there)
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _tuned(row)

    def of_owner(self, owner: str) -> list[Tuned]:
        """Gives the models of an owner, by name."""
        query = sa.select(finetuned).where(_c.owner == owner, _is_there).order_by(_c.name)
        with self._ledger.reading() as connection:
            return [_tuned(row) for row in connection.execute(query).mappings()]

    def delete(self, name: str, owner: str) -> bool:
        """Has a model deleted; from now on it is not there. False where its owner has none of this name."""
        which = sa.and_(_c.name == name, _c.owner == owner, _is_there)
        with self._ledger.writing() as connection:
            return connection.execute(sa.update(finetuned).where(which).values(deleted=now_microseconds())).rowcount > 0

    def to_forget(self) -> list[Forgotten]:
        """Gives models that are to be deleted, and those that nobody is at and that are not done."""
        query = sa.select(_c.name, _c.job_id, _c.deleted).where(sa.or_(_c.deleted.is_not(None), _is_void))
        with self._ledger.reading() as connection:
            return [Forgotten(row.name, row.job_id, row.deleted is not None) for row in connection.execute(query)]

    def forget(self, model: Forgotten) -> None:
        """Frees the name of a model that is in no registry any more, and erases what is known of it."""
        which = sa.and_(_c.name == model.name, _c.job_id == model.job_id, sa.or_(_c.deleted.is_not(None), _is_void))
        with self._ledger.writing() as connection:
            if connection.execute(sa.delete(finetuned).where(which)).rowcount:
                erase(connection, model.name)


def reserve(connection: sa.Connection, new: NewJob, order: FinetuneOrder, frequency: str, most: int) -> Refusal | None:
    """Reserves the name of a model for a job that is about to be taken in, and gives why that cannot be, if so.

    Of an owner there may be `most`, with those that are under way.
    """
    mine = sa.select(sa.func.count()).where(_c.owner == new.owner, _c.deleted.is_(None), ~_is_void)
    if connection.execute(mine).scalar_one() >= most:
        return Refusal.TOO_MANY_MODELS
    reserved = connection.execute(
        insert_into(finetuned, connection.dialect)
        .values(
            name=order.name,
            owner=new.owner,
            job_id=new.job_id,
            created=new.created,
            base=order.base,
            base_version=str(order.base_version),
            frequency=frequency,
            max_steps=order.max_steps,
            trained_blocks=order.trained_blocks,
        )
        .on_conflict_do_nothing(index_elements=[_c.name])  # of two owners at once, one comes second
    )
    return None if reserved.rowcount else Refusal.NAME_TAKEN


def write_outcome(connection: sa.Connection, name: str, job_id: str, outcome: Outcome) -> None:
    """Says what the training of a job came to."""
    values = {**vars(outcome), "metrics": None if outcome.metrics is None else json.dumps(dict(outcome.metrics))}
    connection.execute(sa.update(finetuned).where(_c.name == name, _c.job_id == job_id).values(**values))


def _tuned(row: sa.RowMapping) -> Tuned:
    facts = {column.name: row[column.name] for column in finetuned.c if column.name not in _NO_FACTS}
    came_of_it = {name: row[name] for name in ("version", "digest", "num_steps", "validation_loss")}
    metrics = None if row["metrics"] is None else json.loads(row["metrics"])
    return Tuned(**facts, outcome=Outcome(**came_of_it, metrics=metrics))
