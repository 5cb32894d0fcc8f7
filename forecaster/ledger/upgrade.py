"""Brings the tables of a ledger to the newest revision, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.ledger import Ledger

_LOCK = 7_221_431_015  # of Postgres, any number: two services may begin at once


def upgrade(ledger: Ledger, revision: str = "head") -> None:
    """Makes and changes tables as the revisions up to this one say; LedgerUnavailableError where that cannot be."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with ledger.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA user_version = 0")  # a write: whoever comes second waits here
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        raise LedgerUnavailableError(f"the tables of the ledger cannot be made: {type(error).__name__}") from error
