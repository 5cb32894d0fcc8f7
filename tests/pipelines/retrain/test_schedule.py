"""The scheduler: each config at its own slots, in UTC, through `retrain_slot`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability.retrain_kills import MODEL, environment_of
from forecaster.errors import ConfigError
from forecaster.ledger.slots import Slots
from pipelines.ledger import opened_ledger
from pipelines.schedule import build_scheduler, run_slot

TRIGGERS = "triggers: [{signal: live_relative_mase, above: 1.0, clear_below: 0.9}]"


def config(home: Path, name: str, retrain: str = "") -> Path:
    path = home / f"{name}.yaml"
    path.write_text(f"name: {name}\nsource: {{path: nothing.csv}}\nretrain: {{{retrain}}}\n")
    return path


def times(job: Any, num: int) -> list[str]:
    """The next times that a job is called at, beside the first call, which is at once."""
    found, moment = [], datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
    for _ in range(num):
        moment = job.trigger.get_next_fire_time(moment, moment)
        found.append(f"{moment:%d %H:%M}")
    return found


def test_each_config_has_its_own_slots_and_looks_at_its_signals_between_them(home: Path) -> None:
    configs = [
        config(home, "usual"),
        config(home, "own", "cron: 15 1 * * *"),
        config(home, "watched", f"cron: 15 1 * * *, {TRIGGERS}"),
    ]
    scheduler = build_scheduler(environment_of(home), configs, "0 3 * * *")
    usual, own, watched = (scheduler.get_job(str(path)) for path in configs)
    assert times(usual, 2) == ["01 03:00", "02 03:00"]
    assert times(own, 2) == ["01 01:15", "02 01:15"]
    assert times(watched, 3) == ["01 01:00", "01 01:15", "01 02:00"]


def test_what_was_missed_is_looked_for_at_the_start(home: Path) -> None:
    path = config(home, "usual")
    before = datetime.now(UTC)
    job = build_scheduler(environment_of(home), [path], "0 3 * * *").get_job(str(path))
    assert before <= job.next_run_time <= datetime.now(UTC)


def test_a_config_without_slots_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither retrain\.cron nor --cron"):
        build_scheduler(environment_of(home), [config(home, "own", "cron: 15 1 * * *"), config(home, "none")], None)


def test_a_slot_that_came_to_nothing_is_logged_and_kept(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = config(home, MODEL)
    with caplog.at_level(logging.INFO):
        run_slot(environment_of(home), path, "0 3 * * *")
    (record,) = [record for record in caplog.records if record.message == "slot_done"]
    assert record.levelno == logging.ERROR
    assert "nothing.csv does not exist" in str(vars(record)["fields"])
    with opened_ledger(environment_of(home)) as ledger:
        (slot,) = Slots(ledger).of_model(MODEL, 10)
    assert str(slot.state) == "contract-failed"


def test_a_config_that_was_spoiled_meanwhile_is_logged(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = config(home, MODEL)
    path.write_text("name: [")
    run_slot(environment_of(home), path, "0 3 * * *")
    assert [record.message for record in caplog.records] == ["slot_failed"]
