"""`forecaster retrain`: what is open is finished, and what is due is begun; each slot comes to exactly one outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from forecaster.errors import ConfigError, ForecasterError, LedgerError
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.slot import CRON, REPEATABLE, Slot, SlotState, TriggerState
from forecaster.ledger.slots import Slots
from pipelines import tracking
from pipelines.config import Environment, PipelineConfig, TriggerConfig
from pipelines.config.retrain.cron import Cron
from pipelines.ledger import opened_ledger
from pipelines.promotion.live import roll_back_if_worse
from pipelines.retrain.attempt import Attempts
from pipelines.retrain.due import due, judged
from pipelines.retrain.lock import held
from pipelines.retrain.signals import SIGNALS, Looking, Signal
from pipelines.retrain.spool import Spool
from pipelines.retrain.times import from_microseconds, microseconds_of, to_microseconds, utc_now
from pipelines.retrain.upload import sweep

log = logging.getLogger("pipelines.retrain")


@dataclass(frozen=True)
class Report:
    """What a call has done: the slots that it carried on, or the newest one where it had none to carry on.

    `is_under_way`: another process has the model, and nothing was done.
    """

    slots: tuple[Slot, ...]
    is_under_way: bool = False


@dataclass(frozen=True)
class Asked:
    """What is wanted of a call."""

    cron: str | None = None  # for a config that has none of its own
    again: bool = False  # the newest slot is to be done once more if it came to nothing
    only_finish: bool = False  # nothing is to be begun
    show_progress: bool = False


def retrain_slot(
    environment: Environment,
    config: PipelineConfig,
    clock: Callable[[], datetime] = utc_now,
    *,
    asked: Asked | None = None,
    signals: Mapping[str, Signal] = SIGNALS,
) -> Report:
    """Finishes the slots of a model that are open, begins the one that is due at `clock`, and gives what came of them.

    Nothing waits or sleeps. What goes wrong with a slot is its outcome and is not raised. ConfigError for a config
    that cannot be retrained, LedgerError where the ledger cannot be used.
    """
    asked = asked or Asked()
    cron = cron_of(config, asked.cron)
    config.check_folds()
    with (
        opened_ledger(environment) as ledger,
        held(ledger, config.name) as is_ours,
    ):
        if not is_ours:
            return Report((), is_under_way=True)
        slots = Slots(ledger)
        attempts = Attempts(environment, config, slots, clock, asked.show_progress)
        _prepare(environment, config, slots, clock)
        if asked.again:
            slots.reopen(config.name)
        done = [attempts.carry_on(slot) for slot in slots.open(config.name)]
        if not asked.only_finish:
            begun = _begun(Looked(environment, config, ledger, slots, clock()), cron, signals)
            done += [] if begun is None else [attempts.carry_on(begun)]
        newest = slots.newest(config.name)
    return Report(tuple(done) or (() if newest is None else (newest,)))


def cron_of(config: PipelineConfig, default: str | None) -> Cron:
    """Gives when the slots of a config are. ConfigError where neither it nor `default` says so, or in other words."""
    text = config.retrain.cron or default
    if text is None:
        raise ConfigError(f"{config.name}: neither retrain.cron nor --cron says when its slots are")
    try:
        return Cron(text)
    except ValueError as error:
        raise ConfigError(f"--cron {error}") from error


def _prepare(environment: Environment, config: PipelineConfig, slots: Slots, clock: Callable[[], datetime]) -> None:
    """Clears away what killed processes have left, and rolls back a champion that got worse."""
    spool, ids = Spool(environment), slots.ids(config.name)
    in_use = {slot.slot_id for slot in slots.open(config.name) if slot.state is not SlotState.REGISTERED}
    for slot_id in set(spool.slot_ids()) & ids - in_use:
        spool.clear(slot_id, config.name)
    if not tracking.answers(environment):
        return
    try:
        client = tracking.connect(environment)
        killed = sweep(client, config.name, ids)
        if killed:
            log.info("runs_ended", extra={"fields": {"model": config.name, "runs": killed}})
        roll_back_if_worse(environment, client, config.name, config.roll_back, partial(microseconds_of, clock))
    except LedgerError:
        raise
    except ForecasterError as error:
        log.warning("not_prepared", extra={"fields": {"code": error.code, "reason": str(error)}})


@dataclass(frozen=True)
class Looked:
    """Of which model it is looked whether it is due, and when."""

    environment: Environment
    config: PipelineConfig
    ledger: Ledger
    slots: Slots
    now: datetime

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.config.name


def _begun(looked: Looked, cron: Cron, signals: Mapping[str, Signal]) -> Slot | None:
    """Begins the slot that is due, of cron or else of a signal; None where there is none."""
    slots, model, now = looked.slots, looked.model, to_microseconds(looked.now)
    last = slots.last_cron(model)
    found = due(cron, None if last is None else from_microseconds(last), looked.now)
    if found is not None:
        waiting = [slot for slot in slots.open(model) if slot.state is SlotState.BEGUN]
        begun = slots.begin(model, CRON, to_microseconds(found.at), now, [to_microseconds(at) for at in found.missed])
        for slot in waiting:
            slots.change(slot, SlotState.COVERED, reason=f"covered by slot {begun.slot_id}: {slot.reason}", ended=now)
        return begun
    if not looked.config.retrain.triggers or slots.open(model) or not tracking.answers(looked.environment):
        return None
    return _begun_by_signal(looked, signals)


def _begun_by_signal(looked: Looked, signals: Mapping[str, Signal]) -> Slot | None:
    slots, model, now = looked.slots, looked.model, to_microseconds(looked.now)
    client = tracking.connect(looked.environment)
    looking = Looking(looked.environment, client, looked.ledger, looked.config, looked.now)
    begun = None
    for trigger in looked.config.retrain.triggers:
        value = _value(signals[trigger.signal], looking, trigger.signal)
        last = slots.last_trained(model)
        trained = None if last is None else from_microseconds(max(last.at, last.begun, last.ended or 0))
        found = judged(trigger, _state(slots, model, trigger), value, trained, looked.now)
        if found.fires and begun is None:  # one training answers all that fire at once
            begun = slots.begin(model, trigger.signal, now, now)
        slots.keep_trigger_state(model, trigger.signal, found.state, now, value)
    return begun


def _state(slots: Slots, model: str, trigger: TriggerConfig) -> TriggerState:
    """Gives what a trigger has seen; it is armed again where nothing was trained for its slot."""
    state, newest = slots.trigger_state(model, trigger.signal), slots.newest(model, trigger.signal)
    if newest is not None and newest.state in (*REPEATABLE, SlotState.NOT_DUE):
        return TriggerState(True, state.fired)
    return state


def _value(signal: Signal, looking: Looking, name: str) -> float | None:
    try:
        return signal(looking)
    except LedgerError:
        raise
    except ForecasterError as error:
        log.warning("signal_unknown", extra={"fields": {"signal": name, "code": error.code, "reason": str(error)}})
        return None
