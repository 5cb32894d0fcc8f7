"""The recorder writes what comes from the event loop and from threads beside it, entry by entry."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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


@pytest.mark.parametrize(
    ("what", "is_attended"),
    [("nothing", False), ("a database in the home", True), ("entries in the journal", True), ("Postgres", True)],
)
def test_a_keeper_is_at_work_wherever_there_may_be_something_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, is_attended: bool
) -> None:
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere" if what == "Postgres" else None
    recorder = Recorder(Settings(home=tmp_path, authentication=False, ledger_url=url))
    (tmp_path / LEDGER / JOURNAL).mkdir(parents=True)
    if what == "a database in the home":
        (tmp_path / LEDGER / "ledger.db").touch()
    if what == "entries in the journal":
        (tmp_path / LEDGER / JOURNAL / "1-1.done").touch()
    seen: list[str] = []
    monkeypatch.setattr(recorder, "_see_to_a_keeper", lambda: seen.append("a keeper"))
    monkeypatch.setattr("service.ledger.recorder._ATTENDING_SECONDS", 0.01)

    async def attend() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(recorder.attend(), 0.3)

    asyncio.run(attend())
    assert (len(seen) > 1) == is_attended
    recorder.close()
