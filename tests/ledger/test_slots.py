"""Slots in the database: each moment once, with one outcome, and what is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from forecaster.errors import LedgerError
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.slot import CRON, Slot, SlotState, TriggerState
from forecaster.ledger.slots import Slots

MODEL = "sales"


@pytest.fixture
def slots(ledger: Ledger) -> Slots:
    return Slots(ledger)


def begun(slots: Slots, at: int = 100, **given: Any) -> Slot:
    return slots.begin(**{"model": MODEL, "cause": CRON, "at": at, "now": at + 5, **given})


def test_a_slot_is_there_once(slots: Slots) -> None:
    begun(slots)
    with pytest.raises(LedgerError, match="does not take this in"):
        begun(slots)
    begun(slots, model="other")
    begun(slots, cause="drift_input")
    assert len(slots.of_model(MODEL, 10)) == 2


def test_missed_slots_are_covered_by_the_one_that_is_begun_or_not_written_at_all(slots: Slots) -> None:
    begun(slots, 100)
    later = begun(slots, 400, missed=[200, 300])
    states = [(slot.at, str(slot.state)) for slot in reversed(slots.of_model(MODEL, 10))]
    assert states == [(100, "begun"), (200, "covered"), (300, "covered"), (400, "begun")]
    assert all(later.slot_id in slot.reason for slot in slots.of_model(MODEL, 10) if slot.state is SlotState.COVERED)
    with pytest.raises(LedgerError):
        begun(slots, 500, missed=[300])
    assert slots.last_cron(MODEL) == 400


def test_an_outcome_stays(slots: Slots) -> None:
    slot = begun(slots)
    ended = slots.change(slot, SlotState.PROMOTED, reason="better", ended=120, version=3)
    assert slots.change(slot, SlotState.FAILED, reason="too late") == ended
    assert (ended.state, ended.reason, ended.version, ended.ended) == (SlotState.PROMOTED, "better", 3, 120)


def test_open_slots_come_in_their_order_and_final_ones_do_not(slots: Slots) -> None:
    first, second, third = (begun(slots, at) for at in (300, 100, 200))
    slots.change(third, SlotState.NOT_DUE, ended=1)
    slots.change(first, SlotState.TRAINED)
    assert [slot.slot_id for slot in slots.open(MODEL)] == [second.slot_id, first.slot_id]
    assert slots.open("other") == []


def test_only_what_came_to_nothing_is_opened_again(slots: Slots) -> None:
    assert slots.reopen(MODEL) is None
    slot = begun(slots)
    assert slots.reopen(MODEL) is None
    slots.change(slot, SlotState.CONTRACT_FAILED, reason="stale", code="contract-failed", exit_code=3, ended=1)
    again = slots.reopen(MODEL)
    assert again is not None
    assert (again.slot_id, again.state, again.exit_code, again.ended) == (slot.slot_id, SlotState.BEGUN, 0, None)
    slots.change(again, SlotState.NOT_PROMOTED, ended=1)
    assert slots.reopen(MODEL) is None


def test_the_last_training_is_that_of_a_slot_which_came_to_one(slots: Slots) -> None:
    assert slots.last_trained(MODEL) is None
    first, second = begun(slots, 100), begun(slots, 200)
    slots.change(first, SlotState.TRAINED, profile={"latest": "2024"})
    slots.change(second, SlotState.FAILED, profile={"latest": "2025"})  # it failed before it was trained
    found = slots.last_trained(MODEL)
    assert found is not None
    assert (found.slot_id, found.profile) == (first.slot_id, {"latest": "2024"})


def test_what_a_trigger_has_seen_is_kept(slots: Slots) -> None:
    assert slots.trigger_state(MODEL, "drift_input") == TriggerState()
    for state in (TriggerState(False, 7), TriggerState(True, 7)):
        slots.keep_trigger_state(MODEL, "drift_input", state, 9, 0.5)
        assert slots.trigger_state(MODEL, "drift_input") == state
    assert slots.trigger_state(MODEL, "drift_error") == TriggerState()
