"""The history of champions: who is champion of a model since when and why, generation by generation.

It is the truth of which the registry's aliases are a copy. Moves are added and never changed, but for the note that the
registry says so too; the generation is the key, so that of two who add the next one only one succeeds. Whoever adds one
holds the model (`held`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from enum import StrEnum

import sqlalchemy as sa

from forecaster.ledger.exclusive import exclusive
from forecaster.ledger.failures import told
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import promotions

_c = promotions.c


class Kind(StrEnum):
    """How a version became champion."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    AUTOMATIC = "automatic roll back"
    FOUND = "found"  # somebody had moved the alias in the registry


@dataclass(frozen=True)
class Move:
    """One move of the champion. Versions are numbers in the registry, times microseconds since 1970, UTC."""

    model: str
    generation: int
    kind: Kind
    version: int | None  # champion from now on; None: nobody is
    before: int | None  # champion until now
    previous: int | None  # what a roll back returns to from now on
    digest: str  # of the bundle of `version`; '' for none
    reason: str
    actor: str
    run_id: str | None
    created: int
    written: int | None = None  # when the registry was known to say so; None: not yet, or never
    is_taken_over: bool = False  # written by another than who added it, which may be late with a write of its own


def held(ledger: Ledger, model: str) -> AbstractContextManager[sa.Connection]:
    """Gives a connection by which to add moves of a model, as to nobody else meanwhile."""
    return exclusive(ledger, f"promotion-{model}")


def history(connection: sa.Connection, model: str) -> list[Move]:
    """Gives all moves of a model, the first one first."""
    query = sa.select(promotions).where(_c.model == model).order_by(_c.generation)
    with told(), connection.begin():
        return [_move(row) for row in connection.execute(query).mappings()]


def add(connection: sa.Connection, move: Move) -> None:
    """Adds a move; LedgerError where there is one of its generation."""
    with told(), connection.begin():
        connection.execute(sa.insert(promotions).values(**vars(move)))


def mark_written(connection: sa.Connection, move: Move, now: int, *, is_taken_over: bool) -> None:
    """Notes that the registry says so too."""
    which = sa.and_(_c.model == move.model, _c.generation == move.generation)
    with told(), connection.begin():
        connection.execute(sa.update(promotions).where(which).values(written=now, is_taken_over=is_taken_over))


def check(connection: sa.Connection) -> None:
    """Raises LedgerUnavailableError where the connection is lost, and with it the model."""
    with told(), connection.begin():
        connection.execute(sa.select(1))


def _move(row: sa.RowMapping) -> Move:
    values = {field.name: row[field.name] for field in fields(Move)}
    return Move(**{**values, "kind": Kind(row["kind"])})
