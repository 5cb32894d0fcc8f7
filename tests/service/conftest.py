"""What all tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.ledger import recorder


@pytest.fixture(scope="session", autouse=True)
def keepers_are_waited_for() -> Iterator[None]:
    """Lets a service wait for its keeper as long as that takes on a busy machine: tests look at what it has moved."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(recorder, "_ENDING_SECONDS", 60.0)
        yield
