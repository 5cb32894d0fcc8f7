"""Rolls a champion back whose forecasts, now that actuals have come in, are worse than its predecessor's were."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from mlflow import MlflowClient

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Kind, Move
from pipelines.config import Environment, RollBackPolicy
from pipelines.errors import RegistryError
from pipelines.ledger import opened_ledger
from pipelines.promotion.champions import Cause, Champions, Clock
from pipelines.promotion.roll_back_policy import Window, judge

log = logging.getLogger("pipelines.promotion.live")

_DAY = 86_400_000_000  # microseconds
_NOT_ANY_MORE = ("champion-moved", "version-missing")


def roll_back_if_worse(
    environment: Environment,
    client: MlflowClient,
    model: str,
    policy: RollBackPolicy,
    clock: Clock = now_microseconds,
) -> Move | None:
    """Rolls the champion of a model back if its live skill is worse than the policy allows; None if not.

    Only what was promoted is judged, not what was rolled back to or chosen by hand in the registry: it cannot flap.
    """
    if not policy.is_automatic:
        return None
    with opened_ledger(environment) as ledger:
        door = Champions(client, ledger, clock)
        promotion = door.settle(model).last
        if promotion is None or not _is_judged(promotion):
            return None
        found = judge(policy, *_windows(ledger, promotion, policy, clock()))
        fields = {"model": model, "version": promotion.version, "is_worse": found.is_worse, "reason": found.reason}
        log.info("champion_judged", extra={"fields": fields})
        if not found.is_worse:
            return None
        try:
            return door.undo(promotion, Cause(found.reason))
        except RegistryError as error:
            if error.code not in _NOT_ANY_MORE:
                raise
            log.warning("not_rolled_back", extra={"fields": {"model": model, "reason": str(error)}})
            return None


def _is_judged(promotion: Move) -> bool:
    return promotion.kind == Kind.PROMOTE and promotion.before not in (None, promotion.version)


def _windows(ledger: Ledger, promotion: Move, policy: RollBackPolicy, now: int) -> tuple[list[Window], list[Window]]:
    """Gives the windows of the champion and of its predecessor that are over."""
    length, promoted = int(policy.window_days * _DAY), promotion.created
    since = [promoted + number * length for number in range(policy.num_windows)]
    until = [promoted - (number + 1) * length for number in range(policy.num_windows)]
    return (
        _of(ledger, promotion, promotion.version, length, (begin for begin in since if begin + length <= now)),
        _of(ledger, promotion, promotion.before, length, until),
    )


def _of(ledger: Ledger, promotion: Move, version: int | None, length: int, begins: Iterable[int]) -> list[Window]:
    found = []
    for begin in begins:
        skills = ledger.skill(promotion.model, begin, begin + length, by_segment=False)
        found += [Window(one.num_forecasts, one.relative_mase) for one in skills if one.version == str(version)]
    return found
