"""The keeper moves what the journal holds into the database, once, whatever happens on the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster.errors import LedgerError, LedgerUnavailableError
from forecaster.ledger.finetuned import Finetuned
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.records import Revision
from forecaster.ledger.scoring import Outcome
from forecaster.ledger.upgrade import upgrade
from service.ledger import keeper as keeper_module
from service.ledger.chores import Chores
from service.ledger.entries import forecast_entry, observed_entry
from service.ledger.journal import Journal, segments
from service.ledger.keeper import REJECTED, Keeper
from service.ledger.orders import ADAPTION, DAY, JOURNAL, SKILL, Orders
from service.ledger.recorder import command
from service.ledger.revision_file import read
from service.telemetry.skill_metrics import SkillMetrics
from tests.ledger.factories import given, given_series, observed, tune

MANY, DAYS = 1 << 30, 36_500.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(url(tmp_path))
    upgrade(found)
    yield found
    found.close()


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def journal(folder: Path) -> Journal:
    return Journal(folder / JOURNAL, MANY)


def test_entries_are_moved_while_the_file_is_written_and_it_is_deleted_at_its_end(
    tmp_path: Path, ledger: Ledger
) -> None:
    written, keeper = journal(tmp_path), Keeper(tmp_path, ledger, DAYS)
    assert keeper.move() == 0
    for number in range(3):
        written.append(*forecast_entry(given(f"f{number}")))
        assert keeper.move() == 1
        assert ledger.forecast(f"f{number}") is not None
    assert keeper.move() == 0
    written.close()
    assert keeper.move() == 0
    assert segments(tmp_path / JOURNAL) == []


def test_forecasts_and_values_of_several_workers_meet(tmp_path: Path, ledger: Ledger) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.append(*forecast_entry(given()))
    other.append(*observed_entry([observed([11.0, 24.0])]))
    Keeper(tmp_path, ledger, DAYS).move()
    found = ledger.forecast("f1")
    assert found is not None
    assert found.outcomes == (("a", Outcome(2, 1.25, 6.75, 1)),)


def test_a_keeper_that_begins_anew_moves_nothing_twice(tmp_path: Path, ledger: Ledger) -> None:
    written = journal(tmp_path)
    for number in range(5):
        written.append(*forecast_entry(given(f"f{number}")))
    assert Keeper(tmp_path, ledger, DAYS).move() == 5
    assert Keeper(tmp_path, ledger, DAYS).move() == 5  # it cannot know
    ledger.add(observed=[observed([11.0])])
    (skill,) = ledger.skill()
    assert skill.num_forecasts == 5


def test_an_entry_that_cannot_be_kept_is_put_aside_and_holds_up_no_other(tmp_path: Path, ledger: Ledger) -> None:
    written = journal(tmp_path)
    written.append(*forecast_entry(given("f1")))
    written.append(b'{"kind":"strange"}', [b"rest"])
    written.append(*forecast_entry(given("f2")))
    written.close()
    Keeper(tmp_path, ledger, DAYS).move()
    assert all(ledger.forecast(one) is not None for one in ("f1", "f2"))
    (rejected,) = (tmp_path / REJECTED).iterdir()
    assert rejected.read_bytes() == b'{"kind":"strange"}\nrest'
    assert segments(tmp_path / JOURNAL) == []


@pytest.mark.parametrize("torn", [b"FLE1", b"FLE1 and what is no entry at all, of any length"])
def test_bytes_that_are_no_entry_are_put_aside(tmp_path: Path, ledger: Ledger, torn: bytes) -> None:
    written = journal(tmp_path)
    written.append(*forecast_entry(given("f1")))
    written.close()
    (path,) = segments(tmp_path / JOURNAL)
    with path.open("ab") as file:
        file.write(torn)
    Keeper(tmp_path, ledger, DAYS).move()
    assert ledger.forecast("f1") is not None
    (rejected,) = (tmp_path / REJECTED).iterdir()
    assert rejected.read_bytes() == torn
    assert segments(tmp_path / JOURNAL) == []


def test_while_the_database_is_down_all_stays_in_the_journal(tmp_path: Path, ledger: Ledger) -> None:
    written = journal(tmp_path)
    written.append(*forecast_entry(given()))
    written.close()
    down = Ledger("postgresql+psycopg2://nobody@127.0.0.1:1/nowhere?connect_timeout=1")
    with pytest.raises(LedgerUnavailableError):
        Keeper(tmp_path, down, DAYS).move()
    assert len(segments(tmp_path / JOURNAL)) == 1
    assert not (tmp_path / REJECTED).exists()
    assert Keeper(tmp_path, ledger, DAYS).move() == 1


def test_old_records_go_and_the_skill_is_written_down(tmp_path: Path, ledger: Ledger) -> None:
    now = time.time_ns() // 1000
    ledger.add([given("f1", created=now - 2 * DAY), given("f2", created=now)], [observed([11.0])])
    Chores(tmp_path, ledger, days=1.0).do()
    assert ledger.forecast("f1") is None
    assert ledger.forecast("f2") is not None
    (skill,) = json.loads((tmp_path / SKILL).read_text())
    assert (skill["model"], skill["version"], skill["mase"], skill["drift"]) == ("sales", "1", 0.5, {})


def test_the_drift_of_the_last_days_is_written_down_and_told_as_metrics(tmp_path: Path, ledger: Ledger) -> None:
    now = time.time_ns() // 1000
    forecasts = [
        given("f1", created=now - 8 * DAY),
        given("f2", given_series(medians=(10.5, 22.0)), created=now - 6 * DAY),
    ]
    ledger.add(forecasts, [observed([11.0, 24.0])])
    Chores(tmp_path, ledger, days=DAYS).do()
    (skill,) = json.loads((tmp_path / SKILL).read_text())
    assert skill["drift"] == {"num_forecasts": 1, "relative_mase": 0.5, "coverage_80": 0.5}
    told = {metric.name: metric.samples for metric in SkillMetrics(tmp_path / SKILL).collect()}
    for name in ("relative_mase", "coverage_80"):
        (sample,) = told[f"forecaster_live_drift_{name}"]
        assert (sample.labels, sample.value) == ({"model": "sales", "version": "1"}, 0.5)


def test_what_the_journal_has_of_a_deleted_model_does_not_come_back(tmp_path: Path, ledger: Ledger) -> None:
    written, keeper, models = journal(tmp_path), Keeper(tmp_path, ledger, DAYS), Finetuned(ledger)
    tune(ledger, "ft-a", "k1", "sha256:0")
    written.append(*forecast_entry(given("f1", model="ft-a", digest="sha256:0")))
    written.append(*observed_entry([observed([11.0], model="ft-a", digest="sha256:0")]))
    models.delete("ft-a", "k1")
    (found,) = models.to_forget()
    models.forget(found)
    tune(ledger, "ft-a", "k2", "sha256:1")
    assert keeper.move() == 2
    ledger.add([given("f2", model="ft-a", digest="sha256:1")])
    assert ledger.forecast("f1") is None
    assert ledger.skill("ft-a") == []
    assert not (tmp_path / REJECTED).exists()


def test_factors_that_are_too_old_leave_the_file_under_a_number_of_its_own(tmp_path: Path, ledger: Ledger) -> None:
    old = time.time_ns() // 1000 - 2 * DAY
    for hour in range(30):
        forecast = given(f"f{hour}", given_series(begin=hour, medians=(10.0,)), created=old)
        ledger.add([forecast], [observed([99.0], begin=hour, received=old)])
    ledger.adapt(old)

    def told(days: float) -> Revision:
        Chores(tmp_path, ledger, days, adapts=True).do()
        return read((tmp_path / ADAPTION).read_bytes())

    first = told(days=DAYS)
    assert list(first.by_version) == [("sales", "1")]
    second = told(days=1.0)
    assert second == Revision(first.number + 1, {})  # by which a keeper knows that the file is to be written anew
    assert told(days=1.0) == second


def orders(folder: Path) -> Orders:
    return Orders(str(folder), url(folder), DAYS)


def started(folder: Path) -> subprocess.Popen[bytes]:
    keeper = subprocess.Popen(command(), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert keeper.stdin is not None
    keeper.stdin.write(orders(folder).write().encode())
    keeper.stdin.flush()
    return keeper


def ended(keeper: subprocess.Popen[bytes]) -> int:
    """Ends the pipe of a keeper, and gives its exit code."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    return keeper.wait(60)


def told(keeper: subprocess.Popen[bytes]) -> bytes:
    assert keeper.stderr is not None
    with keeper.stderr as stream:
        return stream.read()


def test_the_process_moves_what_is_left_and_ends_with_its_pipe(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append(*forecast_entry(given()))
    written.close()
    keeper = started(tmp_path)
    assert ended(keeper) == 0
    assert told(keeper) == b""
    ledger = Ledger(url(tmp_path))
    assert ledger.forecast("f1") is not None
    ledger.close()
    assert segments(tmp_path / JOURNAL) == []


@pytest.mark.slow
def test_the_process_stays_while_its_pipe_does_and_of_two_one_ends_at_once(tmp_path: Path) -> None:
    written = journal(tmp_path)
    first = started(tmp_path)
    ledger = Ledger(url(tmp_path))
    for number in range(3):
        written.append(*forecast_entry(given(f"f{number}")))
        deadline = time.monotonic() + 30
        while not (ledger.is_made() and ledger.forecast(f"f{number}")) and time.monotonic() < deadline:
            time.sleep(0.1)
        second = started(tmp_path)
        assert (second.wait(30), told(second)) == (0, b"")
        second.stdin.close()  # type: ignore[union-attr]
    assert first.poll() is None
    assert (ended(first), told(first)) == (0, b"")
    ledger.close()


@pytest.mark.slow
def test_entries_that_come_all_the_time_are_moved_by_few_transactions(tmp_path: Path) -> None:
    written, ledger, keeper = journal(tmp_path), Ledger(url(tmp_path)), started(tmp_path)
    written.append(*forecast_entry(given("first")))
    while not (ledger.is_made() and ledger.forecast("first")):
        time.sleep(0.1)
    states, began = set(), time.monotonic()
    with ledger.reading() as connection:
        for number in range(200):
            written.append(*forecast_entry(given(f"f{number}")))
            time.sleep(0.01)
            states.add(connection.exec_driver_sql("PRAGMA data_version").scalar_one())
            connection.rollback()
    assert len(states) <= 4 + 2 * (time.monotonic() - began)  # two a second, and those of its beginning
    written.close()
    assert (ended(keeper), told(keeper)) == (0, b"")
    assert all(ledger.forecast(f"f{number}") for number in range(200))
    ledger.close()


def test_a_chore_that_the_database_refuses_holds_up_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise LedgerError("integer out of range")

    written = journal(tmp_path)
    written.append(*forecast_entry(given()))
    written.close()
    monkeypatch.setattr(keeper_module, "_has_ended", lambda within_seconds: True)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "skill", refused)
        keeper_module.keep(tmp_path, orders(tmp_path))
    assert [record.message for record in caplog.records] == ["chore_failed"]
    ledger = Ledger(url(tmp_path))
    assert ledger.forecast("f1") is not None
    ledger.close()


def test_a_database_may_be_down_for_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ledger.db").mkdir()
    pauses: list[float] = []

    def has_ended(within_seconds: float) -> bool:
        pauses.append(within_seconds)
        return len(pauses) > 2 * 1100

    monkeypatch.setattr(keeper_module, "_has_ended", has_ended)
    keeper_module.keep(tmp_path, orders(tmp_path))
    assert (max(pauses), sorted(set(pauses))[:3]) == (30.0, [0, 1.0, 2.0])


def test_a_process_whose_pipe_has_ended_does_not_wait_for_a_database_that_is_down(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append(*forecast_entry(given()))
    written.close()
    (tmp_path / "ledger.db").write_text("no database, by far too short and of another kind")
    keeper = started(tmp_path)
    assert ended(keeper) == 0
    assert b"ledger_unavailable" in told(keeper)
    assert len(segments(tmp_path / JOURNAL)) == 1


@pytest.mark.slow
def test_a_keeper_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    written = journal(tmp_path)
    number = 0
    for life in range(6):
        keeper = started(tmp_path)
        end = time.monotonic() + 0.8 + 0.15 * life
        while time.monotonic() < end:
            written.append(*forecast_entry(given(f"f{number}")))
            number += 1
            time.sleep(0.002)
        keeper.kill()
        ended(keeper)
        told(keeper)
    written.append(*observed_entry([observed([11.0])]))
    written.close()
    last = started(tmp_path)
    assert (ended(last), told(last)) == (0, b"")
    ledger = Ledger(url(tmp_path))
    (skill,) = ledger.skill()
    assert skill.num_forecasts == number
    ledger.close()


def test_a_keeper_imports_neither_pandas_nor_what_models_need() -> None:
    """Or it would take twice the memory, and seconds to begin and to end."""
    told = "import sys, service.ledger.keeper; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy" in found
    assert {"pandas", "torch", "pydantic", "forecaster.types"}.isdisjoint(found)
