"""At most one retraining of a model at a time, among all who share a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.exclusive import LOCKED, exclusive
from forecaster.ledger.ledger import Ledger

_PATIENCE_SECONDS = 0.2


@contextmanager
def held(ledger: Ledger, model: str) -> Iterator[bool]:
    """Holds a model for the block, which is told whether it does: whoever comes second is told False at once."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(ledger, f"retraining-{model}", _PATIENCE_SECONDS))
        except LedgerUnavailableError as error:
            if error.code != LOCKED:
                raise
            yield False
            return
        yield True
