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
from forecaster.ledger.promotions import Kind
from pipelines import registry
from pipelines.comparison import compare
from pipelines.config import Environment, PipelineConfig
from pipelines.errors import RegistryError
from pipelines.loading import load_for
from pipelines.promotion.champions import Cause, Clock, champions, history
from pipelines.promotion.evidence import gathered
from pipelines.promotion.policy import Decision, decide
from pipelines.registry import Version
from pipelines.report.compared import Compared
from pipelines.report.evaluations import Reported, families_of, log_evaluations
from pipelines.report.labels import labels_of
from pipelines.report.trend import complete_trend, log_trend, served_metrics
from pipelines.tracking import log_dataset, run

log = logging.getLogger("pipelines.promotion.promote")

_REFUSED = ("champion-moved", "rolled-back", "version-missing")  # by the door, before anything is written


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
    bundles = list(contenders.bundles.values())
    if not all(_can_read(panel, bundle) for bundle in bundles):  # it was read for the challenger alone
        panel = load_for(bundles, config.source, config.table).panel
    return promote_best(environment, client, config, panel, contenders, clock=clock)


def _can_read(panel: Panel, bundle: Bundle) -> bool:
    """Says whether a panel has the covariates of a model."""
    wanted, held = bundle.config.model.covariates, panel.covariates.names
    needed = {"past": wanted.past, "known": wanted.known, "static": wanted.static, "category": tuple(wanted.categories)}
    return all(set(names) <= set(held.get(kind, ())) for kind, names in needed.items())


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
    bundle, policy = contenders.bundles["challenger"], config.promotion
    labels = labels_of(config, panel, "promote", bundle.config.model)
    with run(environment, config.name, labels.name, {**labels.tags, "challenger": str(challenger.number)}) as run_id:
        import mlflow

        log_dataset(panel, labels.data, "evaluation")
        evaluations = compare(panel, config, contenders.bundles)
        compared = Compared(panel, evaluations, "challenger", segments=policy.segments)
        families = families_of({role: found.config.model for role, found in contenders.bundles.items()})
        log_evaluations(client, Reported(run_id, labels, config.figures), compared, families)
        approved_by = registry.approved_by(client, challenger)
        now = datetime.fromtimestamp(clock() / 1e6, UTC)
        evidence = gathered(bundle, evaluations, panel, policy, approved_by=approved_by, now=now)
        decision = decide(policy, evidence)
        mlflow.set_tags({"promoted": str(decision.promote).lower(), "reason": decision.reason})
        mlflow.log_table(_table(decision), "checks.json")
        log_trend(client, run_id, challenger, {} if evidence.gain is None else {"gain": evidence.gain.mean})
        if decision.promote:
            with _refusal_told(client, run_id, challenger), champions(environment, client, clock) as door:
                door.replace(challenger, champion, Cause(decision.reason, run_id))
        log_trend(client, run_id, challenger, _outcome_metrics(compared, decision))
    return Promotion(decision, challenger, champion, evaluations)


@contextmanager
def _refusal_told(client: MlflowClient, run_id: str, challenger: Version) -> Iterator[None]:
    """Has run and trend say that a challenger did not become champion, where the door refuses it after all."""
    try:
        yield
    except RegistryError as error:
        if error.code in _REFUSED:
            client.set_tag(run_id, "promoted", "false")
            client.set_tag(run_id, "reason", str(error))
            log_trend(client, run_id, challenger, {"promoted": 0.0})
        raise


def complete_outcome(environment: Environment, client: MlflowClient, champion: Version) -> None:
    """Adds to the trend that a version became champion, where whoever promoted it was killed before that."""
    moves = [move for move in history(environment, champion.name) if move.version == champion.number]
    found = [move.run_id for move in moves if move.kind == Kind.PROMOTE and move.run_id is not None]
    if found:
        complete_trend(client, found[-1], champion)


def _refusal(environment: Environment, client: MlflowClient, contenders: Contenders) -> str | None:
    """Says why a challenger cannot be promoted whatever a comparison found, if so."""
    challenger = contenders.challenger
    if contenders.champion == challenger:
        complete_outcome(environment, client, challenger)
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


def _outcome_metrics(compared: Compared, decision: Decision) -> dict[str, float]:
    """Gives what the trend shows of a decision, with the scores of whichever is champion after it."""
    served = "challenger" if decision.promote else "champion"
    metrics = compared.metrics(served) if served in compared.evaluations else {}
    return {"promoted": float(decision.promote), **served_metrics(metrics)}
