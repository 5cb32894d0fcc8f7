"""Promotion with its effects: challenger and champion meet on the same folds, the alias moves if it is earned."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient

from forecaster.bundle import Bundle
from forecaster.data.panel import Panel
from forecaster.errors import BundleError, SignatureError
from forecaster.evaluation import Evaluation
from forecaster.ledger.ids import now_microseconds
from pipelines import registry
from pipelines.backtest import compare
from pipelines.config import Environment, PipelineConfig
from pipelines.errors import RegistryError
from pipelines.promotion.champions import Cause, Clock, champions
from pipelines.promotion.evidence import gathered
from pipelines.promotion.policy import Decision, decide
from pipelines.registry import Version
from pipelines.tracking import log_scores, run

log = logging.getLogger("pipelines.promotion.promote")


@dataclass(frozen=True)
class Promotion:
    """What a comparison on the same folds found and led to."""

    decision: Decision
    challenger: Version
    champion: Version | None  # before the decision
    evaluations: dict[str, Evaluation]


@dataclass(frozen=True)
class Contenders:
    """The challenger, and the champion if there is one; `bundles` by role, of those that are to be compared.

    A champion that is the challenger is not among them, nor one that another version of the library wrote and this
    one cannot read, nor one that nobody trusted has signed: it gives way to whatever beats the seasonal naive.
    """

    challenger: Version
    champion: Version | None
    bundles: dict[str, Bundle]


def find_contenders(
    environment: Environment, client: MlflowClient, name: str, challenger: Version | None = None
) -> Contenders:
    """Loads the challenger, by default the version with that alias, and the champion of a model.

    Raises RegistryError where there is no challenger, BundleError for a damaged bundle and a challenger not signed.
    """
    champion = who_is_champion(environment, client, name)
    challenger = challenger or registry.find_alias(client, name, registry.CHALLENGER)
    if challenger is None:
        raise RegistryError(f"model {name!r} has no challenger: train one first", code="alias-missing")
    bundles = {"challenger": registry.load(challenger, environment.verifying_keys)}
    if champion is not None and champion != challenger:
        with _unusable_passed_over(champion):
            bundles["champion"] = registry.load(champion, environment.verifying_keys)
    return Contenders(challenger, champion, bundles)


def who_is_champion(environment: Environment, client: MlflowClient, name: str) -> Version | None:
    """Finishes a promotion that was broken off, and gives who is champion.

    Whoever trains in order to promote asks first: LedgerUnavailableError where it could not be written down later.
    """
    with champions(environment, client) as door:
        return door.settle(name).champion


@contextmanager
def _unusable_passed_over(version: Version) -> Iterator[None]:
    """Passes over a bundle of another schema version or without a signature, with a warning in the log."""
    try:
        yield
    except BundleError as error:
        if error.code != "other-schema" and not isinstance(error, SignatureError):
            raise
        log.warning("champion_left_out", extra={"fields": {"version": str(version), "reason": str(error)}})


def promote(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    panel: Panel,
    challenger: Version | None = None,
    *,
    clock: Clock = now_microseconds,
) -> Promotion:
    """Compares challenger, champion and seasonal naive on the same folds and moves the alias if it is earned."""
    contenders = find_contenders(environment, client, config.name, challenger)
    return promote_best(environment, client, config, panel, contenders, clock=clock)


def promote_best(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    panel: Panel,
    contenders: Contenders,
    *,
    clock: Clock = now_microseconds,
) -> Promotion:
    """Does the same with contenders that are loaded already.

    Raises RegistryError where the champion has been replaced while they were compared.
    """
    challenger, champion = contenders.challenger, contenders.champion
    refusal = _refusal(environment, client, contenders)
    if refusal is not None:
        return Promotion(Decision(False, refusal), challenger, champion, {})
    tags = {"stage": "promote", "model": config.name, "challenger": str(challenger.number)}
    with run(environment, config.name, f"promote {challenger.number}", tags) as run_id:
        import mlflow

        evaluations = compare(panel, config, contenders.bundles)
        for role, evaluation in evaluations.items():
            log_scores(run_id, evaluation.scores, role)
        approved_by = registry.approved_by(client, challenger)
        bundle, policy = contenders.bundles["challenger"], config.promotion
        now = datetime.fromtimestamp(clock() / 1e6, UTC)
        decision = decide(policy, gathered(bundle, evaluations, panel, policy, approved_by=approved_by, now=now))
        mlflow.set_tags({"promoted": str(decision.promote).lower(), "reason": decision.reason})
        mlflow.log_table(_table(decision), "checks.json")
        if decision.promote:
            with champions(environment, client, clock) as door:
                door.replace(challenger, champion, Cause(decision.reason, run_id))
    return Promotion(decision, challenger, champion, evaluations)


def _refusal(environment: Environment, client: MlflowClient, contenders: Contenders) -> str | None:
    """Says why a challenger cannot be promoted whatever a comparison found, if so."""
    challenger = contenders.challenger
    if contenders.champion == challenger:
        return f"{challenger} is the champion already"
    with champions(environment, client) as door:
        return door.undone(door.settle(challenger.name), challenger)


def _table(decision: Decision) -> dict[str, list[str | bool]]:
    """Gives what was checked, a row for each rule."""
    checks = decision.checks
    return {
        "rule": [check.rule for check in checks],
        "passed": [check.passed for check in checks],
        "finding": [check.finding for check in checks],
    }
