"""Whether a model is to be retrained now: pure functions of the clock, the slots that there were, and a signal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from forecaster.ledger.slot import TriggerState
from pipelines.config import TriggerConfig
from pipelines.config.retrain.cron import Cron
from pipelines.retrain.times import from_microseconds, to_microseconds


@dataclass(frozen=True)
class Due:
    """The slot that is due, and those before it that were missed, which it covers."""

    at: datetime
    missed: tuple[datetime, ...] = ()


def due(cron: Cron, last: datetime | None, now: datetime) -> Due | None:
    """Gives the newest slot until `now` that is later than the last one; None where there is none.

    However many were missed, one is due. Of a model without any slot the last moment of the cron is due, and none is
    missed. A clock that was set back makes no slot due again.
    """
    if last is None:
        return Due(cron.latest(now))
    moments = tuple(cron.between(last, now))
    return Due(moments[-1], moments[:-1]) if moments else None


@dataclass(frozen=True)
class Judged:
    """Whether a trigger fires, and what it has seen with that."""

    fires: bool
    state: TriggerState


def judged(
    trigger: TriggerConfig, state: TriggerState, value: float | None, last_trained: datetime | None, now: datetime
) -> Judged:
    """Says whether a trigger fires by the value of its signal, None where that cannot be told.

    It fires at or above `above` if it is armed and the cool-down is over, and is armed again once the signal was below
    `clear_below`: an alarm that goes on fires once, and one that flaps between both does not fire again. What rises
    during the cool-down fires at its end, if it is still there.
    """
    if value is None:
        return Judged(False, state)
    is_armed = state.is_armed or value < trigger.clear_below
    fired = None if state.fired is None else from_microseconds(state.fired)
    cool_down = timedelta(days=trigger.cool_down_days)
    is_cool = all(now - moment >= cool_down for moment in (fired, last_trained) if moment is not None)
    if is_armed and value >= trigger.above and is_cool:
        return Judged(True, TriggerState(False, to_microseconds(now)))
    return Judged(False, TriggerState(is_armed, state.fired))
