"""The lock of a model: nobody waits for it, and it dies with its holder."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster.ledger.ledger import Ledger
from pipelines.retrain.lock import held
from tests.stack.servers import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.stack)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with postgres(tmp_path) as found:
        yield found


def is_free(url: str, model: str = "m") -> bool:
    ledger = Ledger(url)
    try:
        with held(ledger, model) as is_ours:
            return is_ours
    finally:
        ledger.close()


def test_a_second_one_is_told_at_once_and_the_lock_is_given_back(url: str) -> None:
    ledger = Ledger(url)
    with held(ledger, "m") as is_ours:
        assert is_ours
        assert not is_free(url)
        assert is_free(url, "another")
    ledger.close()
    assert is_free(url)


def test_the_lock_of_a_killed_process_is_free(url: str) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with held(Ledger(url), "m") as is_ours:
            os.write(writing, b"1" if is_ours else b"0")
            signal.pause()
    assert os.read(reading, 1) == b"1"
    assert not is_free(url)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert is_free(url)
