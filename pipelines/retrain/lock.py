"""At most one retraining of a model at a time: a lock that dies with its holder, on this machine and in Postgres."""

from __future__ import annotations

import fcntl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from forecaster.ledger.ledger import Ledger

_ROOM = 1 << 40  # apart from the advisory locks of the ledger


@contextmanager
def held(home: Path, ledger: Ledger, model: str) -> Iterator[bool]:
    """Holds the lock of a model for the block, which is told at once whether it does.

    Nothing waits: whoever comes second is told False. Without Postgres, machines that share a registry but neither
    home nor ledger do not see each other.
    """
    folder = home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{model}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        with _held_in_postgres(ledger, model) as is_ours:
            yield is_ours


@contextmanager
def _held_in_postgres(ledger: Ledger, model: str) -> Iterator[bool]:
    """Does the same among machines, by a lock that Postgres gives back when the connection is gone."""
    if ledger.engine.dialect.name != "postgresql":
        yield True
        return
    key = {"key": _ROOM + zlib.crc32(model.encode())}
    with ledger.reading() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        is_ours = bool(connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one())
        try:
            yield is_ours
        finally:
            if is_ours:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)
