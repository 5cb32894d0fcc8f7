"""Retraining on a real MLflow store and ledger: each slot comes to one outcome, which is kept and told again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.reliability.retrain_kills import MODEL, NOW, config_of, environment_of, looked_at
from benchmarks.reliability.serving import free_port
from forecaster.errors import ConfigError
from forecaster.ledger.slot import Slot, SlotState
from forecaster.ledger.slots import Slots
from pipelines import registry, tracking
from pipelines.config import ContractConfig, PipelineConfig, RetrainConfig, RollBackPolicy, TriggerConfig
from pipelines.errors import RegistryError
from pipelines.ledger import opened_ledger
from pipelines.promotion import promote
from pipelines.retrain import retrain
from pipelines.retrain.attempt import MOST_ATTEMPTS, Attempts
from pipelines.retrain.lock import held
from pipelines.retrain.retrain import Asked, Report, retrain_slot
from pipelines.retrain.spool import SLOT_TAG
from pipelines.retrain.times import to_microseconds
from pipelines.retrain.upload import sweep
from pipelines.tracking import PARENT_TAG

DAY = timedelta(days=1)
ALARM = TriggerConfig(signal="drift_input", above=2.0, clear_below=1.0, cool_down_days=2)


def retrained(home: Path, now: datetime = NOW, config: PipelineConfig | None = None, **given: Any) -> Report:
    return retrain_slot(environment_of(home), config or undrawn(home), lambda: now, **given)


def undrawn(home: Path, **settings: Any) -> PipelineConfig:
    """The config without figures, which take seconds."""
    return config_of(home).model_copy(update={"figures": False, **settings})


def one_slot(report: Report) -> Slot:
    (slot,) = report.slots
    return slot


def with_settings(home: Path, **settings: Any) -> PipelineConfig:
    return undrawn(home, retrain=RetrainConfig(**{"cron": "0 3 * * *", **settings}))


def states(home: Path) -> list[str]:
    """The states of all slots, the oldest first."""
    with opened_ledger(environment_of(home)) as ledger:
        return [str(slot.state) for slot in reversed(Slots(ledger).of_model(MODEL, 100))]


def lose_data(home: Path) -> None:
    (home / "waves.csv").unlink()


def test_what_was_trained_in_a_home_that_is_gone_is_trained_again(home: Path) -> None:
    away = environment_of(home).model_copy(update={"tracking_uri": f"http://127.0.0.1:{free_port()}"})
    waits = one_slot(retrain_slot(away, undrawn(home), lambda: NOW))
    assert (waits.state, waits.attempts) == (SlotState.TRAINED, 1)
    shutil.rmtree(home / "spool" / "slots")
    slot = one_slot(retrained(home))
    assert (slot.slot_id, slot.state, slot.version, slot.attempts) == (waits.slot_id, SlotState.PROMOTED, 1, 2)


def test_a_slot_is_trained_and_promoted_once_and_the_next_wants_new_data(home: Path) -> None:
    slot = one_slot(retrained(home, config=config_of(home)))
    assert (slot.state, slot.version, slot.attempts, slot.exit_code) == (SlotState.PROMOTED, 1, 1, 0), slot.reason
    assert "beats the seasonal naive" in slot.reason
    assert slot.report is not None
    assert {one["rule"] for one in slot.report["contract"]} == {"future", "variation"}
    assert slot.report["scores"]["challenger"]["mase"] < slot.report["scores"]["seasonal_naive"]["mase"]
    assert one_slot(retrained(home)) == slot  # nothing was done
    assert one_slot(retrained(home, NOW + DAY / 2)) == slot

    client = tracking.connect(environment_of(home))
    run = client.get_run(slot.run_id)
    assert (run.info.status, run.data.tags["stage"], run.data.tags[SLOT_TAG]) == ("FINISHED", "train", slot.slot_id)
    assert (run.data.tags["slot_outcome"], run.data.tags["slot_at"]) == ("promoted", "2024-02-01T03:00:00Z")
    assert run.data.metrics["mase"] > 0
    assert len(client.get_metric_history(slot.run_id, "validation_loss")) == 6
    assert len(client.get_metric_history(slot.run_id, "mase_by_step")) == 12
    assert run.data.params["model.horizon"] == "12"
    assert run.inputs.dataset_inputs[0].dataset.name == "waves"
    assert {file.path for file in client.list_artifacts(slot.run_id)} >= {"figures", "tables"}
    children = client.search_runs([run.info.experiment_id], f"tags.`{PARENT_TAG}` = '{slot.run_id}'")
    by_role = {child.data.tags["role"]: child for child in children}
    assert set(by_role) == {"seasonal_naive", "validation", "uncalibrated"}
    assert by_role["seasonal_naive"].data.metrics["mase"] > run.data.metrics["mase"]
    assert "seasonal naive" in client.get_model_version(MODEL, "1").description
    found = looked_at(home)
    assert (found["runs"], list(found["versions"]), found["left"]) == ({"FINISHED": 2}, ["1"], [])

    later = one_slot(retrained(home, NOW + 4 * DAY))
    assert (later.state, later.version, later.exit_code) == (SlotState.NOT_DUE, None, 0)
    assert later.reason == "0 values are newer than the last run, 1 are wanted"
    assert states(home) == ["promoted", "covered", "covered", "covered", "not-due"]


@pytest.mark.slow
def test_new_data_is_trained_on_and_compared_with_the_champion(home: Path) -> None:
    frame = pd.read_csv(home / "waves.csv", parse_dates=["ds"])
    frame[frame["ds"] < frame["ds"].max() - 3 * DAY].to_csv(home / "waves.csv", index=False)
    first = one_slot(retrained(home))
    frame.to_csv(home / "waves.csv", index=False)
    second = one_slot(retrained(home, NOW + DAY))
    assert (first.state, second.version) == (SlotState.PROMOTED, 2)
    assert second.state in (SlotState.PROMOTED, SlotState.NOT_PROMOTED)
    assert second.report is not None
    assert {"challenger", "champion", "seasonal_naive"} == set(second.report["scores"])
    assert "jumps" in {one["rule"] for one in second.report["contract"]}


def test_a_broken_contract_stops_before_training_and_says_why(home: Path) -> None:
    config = with_settings(home, contract=ContractConfig(max_age_days=3))
    slot = one_slot(retrained(home, config=config))
    assert (slot.state, slot.code, slot.exit_code) == (SlotState.CONTRACT_FAILED, "contract-failed", 3)
    assert "days old, at most 3 asked" in slot.reason
    assert slot.report is not None
    assert [one["rule"] for one in slot.report["contract"] if not one["passed"]] == ["freshness"]
    assert looked_at(home)["runs"] == {}
    lose_data(home)
    assert one_slot(retrained(home, config=config)) == slot  # the slot has its outcome
    gone = one_slot(retrained(home, NOW + DAY))
    assert (gone.state, gone.code, gone.exit_code) == (SlotState.CONTRACT_FAILED, "unreadable-source", 3)
    assert "waves.csv does not exist" in gone.reason


def test_what_came_to_nothing_can_be_done_again(home: Path) -> None:
    table = (home / "waves.csv").read_bytes()
    lose_data(home)
    failed = one_slot(retrained(home))
    (home / "waves.csv").write_bytes(table)
    assert one_slot(retrained(home)) == failed
    stale = with_settings(home, contract=ContractConfig(max_age_days=3))
    again = one_slot(retrained(home, config=stale, asked=Asked(again=True)))
    assert (again.slot_id, again.code) == (failed.slot_id, "contract-failed")


def test_only_one_retrains_a_model_at_a_time(home: Path) -> None:
    with opened_ledger(environment_of(home)) as ledger, held(ledger, MODEL) as is_ours:
        assert is_ours
        assert retrained(home) == Report((), is_under_way=True)
    assert states(home) == []


def test_runs_of_dead_slots_are_ended_and_those_of_others_are_not(home: Path) -> None:
    client = tracking.connect(environment_of(home))
    experiment = client.create_experiment(MODEL)
    made = {
        name: client.create_run(experiment, tags={} if tag is None else {SLOT_TAG: tag}).info.run_id
        for name, tag in (("dead", "mine"), ("of another ledger", "theirs"), ("no slot", None))
    }
    assert sweep(client, MODEL, {"mine"}) == [made["dead"]]
    statuses = {name: client.get_run(run_id).info.status for name, run_id in made.items()}
    assert statuses == {"dead": "KILLED", "of another ledger": "RUNNING", "no slot": "RUNNING"}
    assert sweep(client, "unknown", {"mine"}) == []


def test_a_training_that_ends_its_process_again_and_again_is_given_up(home: Path) -> None:
    with opened_ledger(environment_of(home)) as ledger:
        slots = Slots(ledger)
        begun = slots.begin(MODEL, "cron", 1, 1)
        slots.change(begun, SlotState.BEGUN, attempts=MOST_ATTEMPTS)
    report = retrained(home, asked=Asked(only_finish=True))
    assert (one_slot(report).state, one_slot(report).code) == (SlotState.FAILED, "given-up")


def test_a_signal_brings_about_a_slot_of_its_own_and_an_alarm_that_failed_fires_again(home: Path) -> None:
    lose_data(home)  # what is begun ends at once
    config = with_settings(home, triggers=(ALARM,))
    values = {"now": 3.0}
    signals = {"drift_input": lambda _: values["now"]}

    def called(hours: int) -> list[str]:
        now = NOW + timedelta(hours=hours)
        return [slot.cause for slot in retrained(home, now, config, signals=signals).slots]

    assert called(0) == ["cron"]  # it is due first
    assert called(1) == ["drift_input"]
    assert called(2) == ["drift_input"]  # told again
    assert states(home) == ["contract-failed"] * 2
    called(50)  # cron
    called(51)  # the alarm was not answered
    assert states(home) == ["contract-failed", "contract-failed", "covered", "contract-failed", "contract-failed"]
    values["now"] = 1.5
    called(52)
    assert len(states(home)) == 5


@pytest.mark.slow
def test_a_promotion_that_was_killed_before_the_trend_knew_is_told_by_the_next_call(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(promote, "_outcome_metrics", killed)
        retrained(home)
    slot = one_slot(retrained(home))
    assert (slot.state, slot.version) == (SlotState.PROMOTED, 1)
    client = tracking.connect(environment_of(home))
    experiment = client.get_experiment_by_name(MODEL).experiment_id
    (trend,) = client.search_runs([experiment], "tags.stage = 'trend'")
    assert trend.data.metrics["promoted"] == 1
    assert trend.data.metrics["served_mase"] == trend.data.metrics["mase"]


def test_one_training_answers_all_signals_that_fire_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(self: Attempts, slot: Slot) -> Slot:
        return self.slots.change(slot, SlotState.NOT_PROMOTED, version=1, ended=slot.at)

    monkeypatch.setattr(Attempts, "carry_on", trained)
    other = ALARM.model_copy(update={"signal": "drift_error"})
    config = with_settings(home, cron="0 3 1 1 *", triggers=(ALARM, other))
    signals = {"drift_input": lambda _: 3.0, "drift_error": lambda _: 3.0}
    for hours in (0, 1, 60, 120):  # beyond the cool-down, and never clear
        retrained(home, NOW + timedelta(hours=hours), config, signals=signals)
    assert states(home) == ["trained-not-promoted"] * 2  # of cron and of the first signal


def test_an_alarm_that_came_before_new_data_fires_again_once_that_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([SlotState.NOT_PROMOTED, SlotState.NOT_DUE, SlotState.NOT_PROMOTED])

    def carried_on(self: Attempts, slot: Slot) -> Slot:
        state, now = next(outcomes), to_microseconds(self.clock())
        return self.slots.change(slot, state, version=None if state is SlotState.NOT_DUE else 1, ended=now)

    monkeypatch.setattr(Attempts, "carry_on", carried_on)
    config = with_settings(home, cron="0 3 1 1 *", triggers=(ALARM,))
    for days in (0, 3, 4, 5, 8):  # the signal never clears
        retrained(home, NOW + days * DAY, config, signals={"drift_input": lambda _: 3.0})
    assert states(home) == ["trained-not-promoted", "not-due", "trained-not-promoted"]


def test_the_cool_down_begins_with_a_training_and_not_with_the_slot_that_it_was_late_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(self: Attempts, slot: Slot) -> Slot:
        return self.slots.change(slot, SlotState.NOT_PROMOTED, version=1, ended=to_microseconds(self.clock()))

    monkeypatch.setattr(Attempts, "carry_on", trained)
    config = with_settings(home, cron="0 3 1 1 *", triggers=(ALARM,))  # its slot was a month ago
    for hours in (0, 1, 47):
        retrained(home, NOW + timedelta(hours=hours), config, signals={"drift_input": lambda _: 3.0})
        assert states(home) == ["trained-not-promoted"]
    retrained(home, NOW + timedelta(hours=48), config, signals={"drift_input": lambda _: 3.0})
    assert states(home) == ["trained-not-promoted"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("error", [RegistryError("MLflow refused: 503"), SystemExit(143)], ids=["refused", "ended"])
def test_a_promotion_that_the_registry_was_not_told_of_is_the_outcome_all_the_same(
    error: BaseException, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    config = undrawn(home, roll_back=RollBackPolicy(is_automatic=False))
    with monkeypatch.context() as patch:
        patch.setattr(registry, "point", refuse)
        with suppress(SystemExit):
            slot = one_slot(retrained(home, config=config))
            assert (slot.state, slot.reason) == (SlotState.REGISTERED, f"waits for MLflow: {error}")
    slot = one_slot(retrained(home, config=config))
    assert (slot.state, slot.version) == (SlotState.PROMOTED, 1)


def test_a_config_without_a_cron_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither retrain\.cron nor --cron"):
        retrained(home, config=with_settings(home, cron=None))
    assert states(home) == []


def test_the_cron_of_the_command_is_for_configs_without_one(home: Path) -> None:
    lose_data(home)
    slot = one_slot(retrained(home, config=with_settings(home, cron=None), asked=Asked("30 1 * * *")))
    assert slot.at == (NOW.replace(hour=1, minute=30) - datetime.fromisoformat("1970-01-01T00:00Z")) // timedelta(
        microseconds=1
    )
    with pytest.raises(ConfigError, match="--cron wants five fields"):
        retrained(home, config=with_settings(home, cron=None), asked=Asked("noon"))


def test_the_champion_is_judged_by_its_live_skill_before_any_slot(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[str, int]] = []

    def judge(_: object, __: object, model: str, ___: object, clock: Callable[[], int]) -> None:
        judged.append((model, clock()))
        assert states(home) == []

    monkeypatch.setattr(retrain, "roll_back_if_worse", judge)
    lose_data(home)
    retrained(home)
    assert judged == [(MODEL, to_microseconds(NOW))]
