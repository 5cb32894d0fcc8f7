"""A slot: one moment at which a model was to be retrained, and what came of it. No database is known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CRON = "cron"  # the cause of a slot that no signal has brought about


class SlotState(StrEnum):
    """How far a slot is. The first three are open; one of the others is the outcome of each slot."""

    BEGUN = "begun"
    TRAINED = "trained"  # waits for MLflow
    REGISTERED = "registered"  # waits for the decision
    NOT_DUE = "not-due"
    COVERED = "covered"  # missed; one that came later was done in its place
    CONTRACT_FAILED = "contract-failed"
    NOT_PROMOTED = "trained-not-promoted"
    PROMOTED = "promoted"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True where nothing happens to it any more."""
        return self not in OPEN


OPEN = (SlotState.BEGUN, SlotState.TRAINED, SlotState.REGISTERED)
REPEATABLE = (SlotState.CONTRACT_FAILED, SlotState.FAILED)


@dataclass(frozen=True)
class Slot:
    """What is known of a slot. Times are in microseconds since 1970, UTC."""

    slot_id: str
    model: str
    cause: str  # `CRON`, or the signal that fired
    at: int
    state: SlotState
    reason: str
    code: str | None  # of the error that ended it
    exit_code: int
    attempts: int  # trainings that were begun for it
    begun: int
    ended: int | None
    run_id: str | None
    version: int | None
    profile: Mapping[str, Any] | None  # of the data that it was trained on
    report: Mapping[str, Any] | None


@dataclass(frozen=True)
class TriggerState:
    """What a trigger has seen so far. Times are in microseconds since 1970, UTC."""

    is_armed: bool = True
    fired: int | None = None
