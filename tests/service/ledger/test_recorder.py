"""The recorder writes what comes from the event loop and from threads beside it, entry by entry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forecaster.ledger.records import Given
from service.ledger import journal
from service.ledger.entries import read_entry
from service.ledger.journal import entries, segments
from service.ledger.orders import JOURNAL, LEDGER
from service.ledger.recorder import Recorder
from service.settings import Settings
from tests.ledger.factories import given


def test_what_many_threads_record_at_once_is_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SEGMENT_BYTES", 2000)  # a new file every few entries
    recorder = Recorder(Settings(home=tmp_path, authentication=False))
    monkeypatch.setattr(recorder, "_see_to_a_keeper", lambda: None)
    names = [f"f{number}" for number in range(2000)]
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda name: recorder.record(given(name)), names))
    recorder.close()
    read = [read_entry(entry) for path in segments(tmp_path / LEDGER / JOURNAL) for entry in entries(path)]
    assert sorted(one.forecast_id for one in read if isinstance(one, Given)) == sorted(names)
