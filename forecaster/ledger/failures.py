"""What a database and its driver raise -> the errors of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from forecaster.errors import LedgerError, LedgerUnavailableError, reason_of


@contextmanager
def told() -> Iterator[None]:
    """Makes LedgerError and LedgerUnavailableError of what the database and its driver raise."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise LedgerError(f"the ledger does not take this in: {_reason(error)}") from error
    except (SQLAlchemyError, ImportError) as error:
        raise LedgerUnavailableError(f"the ledger's database cannot be used: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Gives what the driver said; of a connection that broke off, some say nothing."""
    return reason_of(getattr(error, "orig", None) or error)
