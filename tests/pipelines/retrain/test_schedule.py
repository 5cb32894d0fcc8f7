"""The schedule: each config at its own slots, in UTC, through `retrain_slot`, until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.reliability.retrain_kills import MODEL, config_of, environment_of
from forecaster.errors import ConfigError, LedgerUnavailableError
from forecaster.ledger.slot import Slot, SlotState
from forecaster.ledger.slots import Slots
from pipelines import schedule
from pipelines.config import Environment, PipelineConfig
from pipelines.ledger import opened_ledger
from pipelines.retrain.retrain import Report
from pipelines.schedule import Job, Schedule, build_schedule, run_slot
from tests.stack import servers

TRIGGERS = "triggers: [{signal: live_relative_mase, above: 1.0, clear_below: 0.9}]"


def config(home: Path, name: str, retrain: str = "") -> Path:
    path = home / f"{name}.yaml"
    path.write_text(f"name: {name}\nsource: {{path: nothing.csv}}\nretrain: {{{retrain}}}\n")
    return path


START = datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
Call = Callable[[str], object]


class Clock:
    """Stands still but while somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def scheduled(monkeypatch: pytest.MonkeyPatch, clock: Clock, call: Call, jobs: list[Job]) -> Schedule:
    """Gives a schedule under a simulated clock whose calls are those of `call`, with the name of the model."""

    def retrain_slot(_: Environment, config: PipelineConfig, **__: Any) -> Report:
        found = call(config.name)
        return found if isinstance(found, Report) else Report(())

    monkeypatch.setattr(schedule, "retrain_slot", retrain_slot)
    for job in jobs:
        job.due = START
    return Schedule(Environment(), "0 3 * * *", jobs, clock, clock.pass_by)


def jobs_of(home: Path, *configs: Path) -> list[Job]:
    return build_schedule(environment_of(home), configs, "0 3 * * *").jobs


class Stopped(BaseException):
    """What a signal raises, wherever the process is."""


def times(job: Job, num: int) -> list[str]:
    """The next times that a job is called at, beside the first call, which is at once."""
    found, job.due = [], START
    for _ in range(num):
        job.begin(job.due)
        found.append(f"{job.due:%d %H:%M}")
    return found


def test_each_config_has_its_own_slots_and_looks_at_its_signals_between_them(home: Path) -> None:
    configs = [
        config(home, "usual"),
        config(home, "own", "cron: 15 1 * * *"),
        config(home, "watched", f"cron: 15 1 * * *, {TRIGGERS}"),
    ]
    usual, own, watched = jobs_of(home, *configs)
    assert times(usual, 2) == ["01 03:00", "02 03:00"]
    assert times(own, 2) == ["01 01:15", "02 01:15"]
    assert times(watched, 3) == ["01 01:00", "01 01:15", "01 02:00"]


def test_what_was_missed_is_looked_for_at_the_start(home: Path) -> None:
    before = datetime.now(UTC)
    (job,) = jobs_of(home, config(home, "usual"))
    assert before <= job.due <= datetime.now(UTC)


def test_each_is_called_at_once_and_then_at_its_moments(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, str]] = []

    def call(name: str) -> None:
        called.append((name, f"{clock.now:%d %H:%M}"))
        if len(called) == 6:
            raise Stopped

    jobs = jobs_of(home, config(home, "usual"), config(home, "own", "cron: 15 1 * * *"))
    with pytest.raises(Stopped):
        scheduled(monkeypatch, clock, call, jobs).run()
    first = [("usual", "01 00:30"), ("own", "01 00:30")]
    assert called == [*first, ("own", "01 01:15"), ("usual", "01 03:00"), ("own", "02 01:15"), ("usual", "02 03:00")]


def test_what_comes_due_during_a_training_is_called_once_after_it_whoever_waits_longest_first(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, str]] = []

    def call(name: str) -> None:
        called.append((name, f"{clock.now:%d %H:%M}"))
        if len(called) == 5:
            raise Stopped
        if len(called) == 1:
            clock.pass_by(3 * 86_400)  # a training of three days

    jobs = jobs_of(home, config(home, "slow", "cron: 0 2 * * *"), config(home, "other", "cron: 0 1 * * *"))
    with pytest.raises(Stopped):
        scheduled(monkeypatch, clock, call, jobs).run()
    after = [("other", "04 00:30"), ("slow", "04 00:30"), ("other", "04 01:00"), ("slow", "04 02:00")]
    assert called == [("slow", "01 00:30"), *after]


def test_what_stops_a_training_stops_the_schedule_and_nothing_else_is_begun(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def call(name: str) -> None:
        called.append(name)
        sys.exit(143)  # as the handler of SIGTERM does

    jobs = jobs_of(home, config(home, "one"), config(home, "two"))
    with pytest.raises(SystemExit, match="143"):
        scheduled(monkeypatch, clock, call, jobs).run()
    assert called == ["one"]


def slot_in(state: SlotState) -> Slot:
    facts = {field.name: None for field in fields(Slot)} | {"exit_code": 0, "reason": ""}
    return Slot(**{**facts, "state": state})


def test_what_waits_is_gone_on_with_long_before_the_next_slot(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def call(_: str) -> Report:
        called.append(f"{clock.now:%d %H:%M}")
        if len(called) == 1:
            raise LedgerUnavailableError("the ledger is away")  # the slot is not even begun
        if len(called) == 6:
            raise Stopped
        return Report((slot_in(SlotState.TRAINED if len(called) < 4 else SlotState.PROMOTED),))

    with pytest.raises(Stopped):
        scheduled(monkeypatch, clock, call, jobs_of(home, config(home, "usual"))).run()
    assert called == ["01 00:30", "01 00:45", "01 01:00", "01 01:15", "01 03:00", "02 03:00"]


def test_a_bug_with_one_model_does_not_stop_the_others(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def call(name: str) -> None:
        if name == "two":
            raise Stopped
        raise ZeroDivisionError("a bug")

    jobs = jobs_of(home, config(home, "one"), config(home, "two"))
    with pytest.raises(Stopped):
        scheduled(monkeypatch, clock, call, jobs).run()
    (record,) = caplog.records
    assert (record.message, vars(record)["fields"]["reason"]) == ("slot_failed", "ZeroDivisionError('a bug')")


def test_a_config_without_slots_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither retrain\.cron nor --cron"):
        build_schedule(environment_of(home), [config(home, "own", "cron: 15 1 * * *"), config(home, "none")], None)


def test_two_configs_of_one_model_are_refused(home: Path) -> None:
    first, second = config(home, "sales"), home / "other.yaml"
    second.write_text(first.read_text())
    with pytest.raises(ConfigError, match=r"sales\.yaml and .*other\.yaml are both of model 'sales'"):
        jobs_of(home, first, second)


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


def endless(home: Path, name: str) -> Path:
    """Writes a config whose training has no end."""
    tree = config_of(home).model_dump(mode="json", exclude_unset=True)
    tree["name"], tree["training"]["max_steps"] = name, 1_000_000
    tree["training"]["patience"] = 10_000
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_schedule_that_is_stopped_in_a_training_leaves_it_open_and_begins_nothing(home: Path, number: int) -> None:
    names, environment = ("one", "two"), environment_of(home)
    command = [sys.executable, "-m", "forecaster", "schedule", *(str(endless(home, name)) for name in names)]
    variables = {"FORECASTER_HOME": str(home), "MLFLOW_TRACKING_URI": environment.tracking_uri, "OMP_NUM_THREADS": "1"}
    variables["PYTHONFAULTHANDLER"] = "1"  # where it does not end, it says what it is at
    with (home / "log").open("wb") as file:
        process = subprocess.Popen(
            command,
            env=servers.clean_environment(**variables),
            stdout=file,
            stderr=file,
            # A shell may have it ignored, and so would the child.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - there is one thread
        )
    try:
        deadline = time.monotonic() + 120
        while not list((home / "spool" / "slots").rglob("*.ckpt")):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.1)
        os.kill(process.pid, number)
        try:
            assert process.wait(30) == (143 if number == signal.SIGTERM else 1)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait()
            pytest.fail((home / "log").read_text())
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (home / "log").read_text()
    with opened_ledger(environment) as ledger:
        slots = [[(str(slot.state), slot.reason) for slot in Slots(ledger).of_model(name, 10)] for name in names]
    assert slots == [[("begun", "")], []]
    assert list((home / "spool" / "slots").rglob("*.ckpt")), "the next call goes on from here"
