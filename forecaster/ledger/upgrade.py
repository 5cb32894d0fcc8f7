"""Brings the tables of a ledger to the newest revision, by Alembic, and says which one they are of."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.failures import told
from forecaster.ledger.ledger import Ledger

_LOCK = 7_221_431_015  # of Postgres, any number: two services may begin at once
_one_at_a_time = threading.Lock()  # Alembic keeps what it is at in globals of its module, which threads would share


def upgrade(ledger: Ledger, revision: str = "head") -> None:
    """Makes and changes tables as the revisions up to this one say; LedgerUnavailableError where that cannot be."""
    config = _config()
    try:
        with ledger.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA user_version = 0")  # a write: whoever comes second waits here
            config.attributes["connection"] = connection
            with _one_at_a_time:  # taken last: whoever waits for a database holds up nobody at another one
                command.upgrade(config, revision)
    except SQLAlchemyError as error:
        raise LedgerUnavailableError(f"the tables of the ledger cannot be made: {type(error).__name__}") from error
    except CommandError as error:
        raise LedgerUnavailableError(
            "the ledger needs a database of its own: this one belongs to another program, such as MLflow, or to a "
            f"newer version of this one ({error})"
        ) from error


@dataclass(frozen=True)
class Revisions:
    """Of what revision the tables of a ledger are (None: there are none yet), and which is the newest."""

    tables: str | None
    newest: str


def revisions(url: str) -> Revisions:
    """Looks into the ledger at a URL, and makes nothing there; LedgerUnavailableError where it cannot be reached."""
    newest = str(ScriptDirectory.from_config(_config()).get_current_head())
    with told():
        place = make_url(url)
        file = place.database if place.get_backend_name() == "sqlite" else None
        if file is not None and not Path(file).exists():
            return Revisions(None, newest)
        ledger = Ledger(url)
        try:
            with ledger.reading() as connection:
                return Revisions(MigrationContext.configure(connection).get_current_revision(), newest)
        finally:
            ledger.close()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
