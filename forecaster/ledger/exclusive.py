"""One at a time: a lock by name in a ledger's database, which ends with whoever holds it.

In Postgres it belongs to a connection, so that nobody can write by that connection who has lost the lock. Beside SQLite
it is a lock of the system on a file, which ends with the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError

from forecaster.errors import LedgerError, LedgerUnavailableError
from forecaster.ledger.failures import told
from forecaster.ledger.ledger import Ledger

LOCKED = "ledger-locked"  # code of the error where a lock is not to be had

_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.02
_LOCK_NOT_AVAILABLE = "55P03"
# A holder whose machine is gone: Postgres looks for it after ten seconds instead of two hours.
_SETTINGS = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


def exclusive(
    ledger: Ledger, name: str, patience_seconds: float = _PATIENCE_SECONDS
) -> AbstractContextManager[sa.Connection]:
    """Gives a connection, in no transaction, while nobody else has one of this name ([A-Za-z0-9_.-]).

    Raises LedgerUnavailableError with the code `LOCKED` where it is not to be had within that time.
    """
    if ledger.engine.dialect.name == "sqlite":
        return _beside_a_file(ledger, name, patience_seconds)
    return _by_connection(ledger, name, patience_seconds)


@contextmanager
def _by_connection(ledger: Ledger, name: str, patience_seconds: float) -> Iterator[sa.Connection]:
    with told(), ledger.engine.connect() as connection:
        connection.detach()  # it is closed at the end, and the lock with it
        with connection.begin():
            for setting, value in {**_SETTINGS, "lock_timeout": f"{patience_seconds * 1000:.0f}"}.items():
                connection.execute(
                    sa.text("SELECT set_config(:setting, :value, false)"), {"setting": setting, "value": value}
                )
        with connection.begin():
            try:
                connection.execute(sa.text("SELECT pg_advisory_lock(hashtextextended(:name, 0))"), {"name": name})
            except DBAPIError as error:
                if getattr(error.orig, "pgcode", getattr(error.orig, "sqlstate", None)) == _LOCK_NOT_AVAILABLE:
                    raise _too_long(name, patience_seconds) from error
                raise
        yield connection


@contextmanager
def _beside_a_file(ledger: Ledger, name: str, patience_seconds: float) -> Iterator[sa.Connection]:
    database = ledger.engine.url.database
    if not database or database == ":memory:":
        raise LedgerError("a ledger in memory has no lock that other processes see")
    path = Path(database)
    lock = FileLock(
        path.with_name(f"{path.name}.{name}.lock"),
        patience_seconds,
        mode=0o600,
        poll_interval=_POLL_SECONDS,
        fallback_to_soft=False,  # a file that is merely there would outlive its holder
    )
    try:
        lock.acquire()
    except Timeout as error:
        raise _too_long(name, patience_seconds) from error
    except OSError as error:
        raise LedgerUnavailableError(f"the lock file {lock.lock_file} cannot be used: {error.strerror}") from error
    try:
        with told(), ledger.engine.connect() as connection:
            connection.detach()
            connection.connection.cursor().execute("PRAGMA synchronous=FULL")
            yield connection
    finally:
        lock.release()


def _too_long(name: str, seconds: float) -> LedgerUnavailableError:
    return LedgerUnavailableError(f"another process has held the lock {name!r} for {seconds:g} s", code=LOCKED)
