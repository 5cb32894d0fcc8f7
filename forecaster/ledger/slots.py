"""The slots of a ledger: each moment of a model once, from begun to its one outcome.

    begin ──> begun ──> trained ──> registered ──> promoted, trained-not-promoted
                │           │            └───────> failed
                └───────────┴────────────────────> not-due, contract-failed, failed

Slots that were missed are written with the one that covers them, in one transaction. Whoever changes slots of a model
holds its lock (`pipelines.retrain.lock`); still, no statement changes a slot that has its outcome.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from forecaster.ledger.ids import new_id
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.slot import CRON, OPEN, REPEATABLE, Slot, SlotState, TriggerState
from forecaster.ledger.tables import slots, trigger_states

_c = slots.c
_JSON = ("profile", "report")


class Slots:
    """The slots of one ledger, whose errors it raises. Times are in microseconds since 1970, UTC."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, model: str, cause: str, at: int, now: int, missed: Sequence[int] = ()) -> Slot:
        """Begins a slot, which covers those of cron that were `missed`. LedgerError where one of them is there."""
        first = _row(model, cause, at, now, state=SlotState.BEGUN, reason="")
        covered = {"state": SlotState.COVERED, "reason": f"missed, and covered by slot {first['id']}", "ended": now}
        with self._ledger.writing() as connection:
            rows = [_row(model, CRON, time, now, **covered) for time in missed]
            if rows:
                connection.execute(sa.insert(slots), rows)
            row = connection.execute(sa.insert(slots).values(**first).returning(slots)).mappings().one()
        return _slot(row)

    def change(self, slot: Slot, state: SlotState, **facts: Any) -> Slot:
        """Brings an open slot on; `facts` are fields of it. Gives it as it is then, with its outcome if it has one."""
        values = {name: _packed(name, value) for name, value in facts.items()}
        which = sa.and_(_c.id == slot.slot_id, _c.state.in_(OPEN))
        with self._ledger.writing() as connection:
            connection.execute(sa.update(slots).where(which).values(state=state, **values))
            row = connection.execute(sa.select(slots).where(_c.id == slot.slot_id)).mappings().one()
        return _slot(row)

    def reopen(self, model: str) -> Slot | None:
        """Opens the newest slot of a model anew where it came to nothing; None where it did not."""
        newest = self.newest(model)
        if newest is None or newest.state not in REPEATABLE:
            return None
        which = sa.and_(_c.id == newest.slot_id, _c.state.in_(REPEATABLE))
        state = SlotState.BEGUN if newest.version is None else SlotState.REGISTERED
        anew = {"state": state, "reason": "", "code": None, "exit_code": 0, "ended": None, "attempts": 0}
        with self._ledger.writing() as connection:
            connection.execute(sa.update(slots).where(which).values(**anew))
            row = connection.execute(sa.select(slots).where(_c.id == newest.slot_id)).mappings().one()
        return _slot(row)

    def open(self, model: str) -> list[Slot]:
        """Gives the slots of a model without an outcome, the oldest first."""
        return self._all(sa.select(slots).where(_c.model == model, _c.state.in_(OPEN)).order_by(_c.at, _c.id))

    def newest(self, model: str, cause: str | None = None) -> Slot | None:
        """Gives the last slot of a model, or the last one of a cause."""
        return next(iter(self.of_model(model, 1, cause)), None)

    def of_model(self, model: str, limit: int, cause: str | None = None) -> list[Slot]:
        """Gives the last slots of a model, the newest first."""
        query = sa.select(slots).where(_c.model == model).order_by(_c.at.desc(), _c.id.desc()).limit(limit)
        return self._all(query if cause is None else query.where(_c.cause == cause))

    def last_cron(self, model: str) -> int | None:
        """Gives the time of the last slot of cron."""
        query = sa.select(sa.func.max(_c.at)).where(_c.model == model, _c.cause == CRON)
        with self._ledger.reading() as connection:
            found: int | None = connection.execute(query).scalar()
        return found

    def last_trained(self, model: str) -> Slot | None:
        """Gives the last slot that came to a training, with the profile of its data."""
        was_trained = sa.or_(_c.state == SlotState.TRAINED, _c.version.is_not(None))
        query = sa.select(slots).where(_c.model == model, was_trained).order_by(_c.at.desc(), _c.id.desc())
        return next(iter(self._all(query.limit(1))), None)

    def ids(self, model: str) -> set[str]:
        """Gives the ids of all slots of a model."""
        with self._ledger.reading() as connection:
            return set(connection.execute(sa.select(_c.id).where(_c.model == model)).scalars())

    def trigger_state(self, model: str, signal: str) -> TriggerState:
        """Gives what a trigger has seen so far."""
        c = trigger_states.c
        query = sa.select(c.is_armed, c.fired).where(c.model == model, c.signal == signal)
        with self._ledger.reading() as connection:
            row = connection.execute(query).first()
        return TriggerState() if row is None else TriggerState(row.is_armed, row.fired)

    def keep_trigger_state(self, model: str, signal: str, state: TriggerState, now: int, value: float | None) -> None:
        """Writes down what a trigger has seen."""
        c = trigger_states.c
        row = {"model": model, "signal": signal, **vars(state), "looked": now, "value": value}
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(trigger_states).where(c.model == model, c.signal == signal))
            connection.execute(sa.insert(trigger_states).values(**row))

    def _all(self, query: sa.Select[Any]) -> list[Slot]:
        with self._ledger.reading() as connection:
            return [_slot(row) for row in connection.execute(query).mappings()]


def _row(model: str, cause: str, at: int, now: int, **facts: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "model": model,
        "cause": cause,
        "at": at,
        "begun": now,
        "attempts": 0,
        "exit_code": 0,
        **facts,
    }


def _packed(name: str, value: Any) -> Any:
    return json.dumps(value) if name in _JSON and value is not None else value


def _slot(row: sa.RowMapping) -> Slot:
    facts: dict[str, Any] = dict(row)
    for name in _JSON:
        facts[name] = None if row[name] is None else json.loads(row[name])
    return Slot(slot_id=facts.pop("id"), state=SlotState(facts.pop("state")), **facts)
