"""Promotion with its effects: challenger and champion meet on the same folds, the alias moves if it is earned."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow import MlflowClient

from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation
from pipelines import registry
from pipelines.backtest import compare
from pipelines.config import Environment, PipelineConfig
from pipelines.errors import RegistryError
from pipelines.policy import Decision, decide
from pipelines.registry import Version
from pipelines.tracking import log_scores, run


@dataclass(frozen=True)
class Promotion:
    """What a comparison on the same folds found and led to."""

    decision: Decision
    challenger: Version
    champion: Version | None  # before the decision
    evaluations: dict[str, Evaluation]


def promote(environment: Environment, client: MlflowClient, config: PipelineConfig, panel: Panel) -> Promotion:
    """Compares challenger, champion and seasonal naive on the same folds and moves the alias if it is earned."""
    challenger = registry.find_alias(client, config.name, registry.CHALLENGER)
    if challenger is None:
        raise RegistryError(f"model {config.name!r} has no challenger: train one first", code="alias-missing")
    champion = registry.find_alias(client, config.name, registry.CHAMPION)
    if champion == challenger:
        decision = Decision(False, f"{challenger} is the champion already")
        return Promotion(decision, challenger, champion, {})
    tags = {"stage": "promote", "model": config.name, "challenger": str(challenger.number)}
    with run(environment, config.name, f"promote {challenger.number}", tags) as run_id:
        import mlflow

        models = {"challenger": challenger} | ({"champion": champion} if champion else {})
        evaluations = compare(panel, config, {role: registry.load(version) for role, version in models.items()})
        for role, evaluation in evaluations.items():
            log_scores(run_id, evaluation.scores, role)
        scores = {role: evaluation.scores for role, evaluation in evaluations.items()}
        decision = decide(
            scores["challenger"], scores.get("champion"), scores["seasonal_naive"], config.promotion.min_gain
        )
        mlflow.set_tags({"promoted": str(decision.promote).lower(), "reason": decision.reason})
        if decision.promote:
            registry.move_champion(client, challenger, decision.reason)
    return Promotion(decision, challenger, champion, evaluations)
