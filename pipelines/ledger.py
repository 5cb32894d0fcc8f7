"""The ledger as pipelines use it: opened with its tables made, closed at the end of the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from pipelines.config import Environment


@contextmanager
def opened_ledger(environment: Environment) -> Iterator[Ledger]:
    """Opens the ledger; LedgerUnavailableError where it cannot be reached, or its tables not be made."""
    folder = environment.home / "ledger"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LedgerUnavailableError(f"{folder} cannot be a folder: {error.strerror}") from error
    ledger = Ledger(environment.ledger_url)
    try:
        upgrade(ledger)
        yield ledger
    finally:
        ledger.close()
