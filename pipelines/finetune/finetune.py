"""One job of fine-tuning: order + panel -> weights trained on from those of its base -> a champion of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from forecaster.bundle import NETWORK, Bundle
from forecaster.config import SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.errors import LeakageError
from forecaster.leakage import unseen_folds
from forecaster.ledger.finetune_order import TAG, FinetuneOrder, unpacked
from forecaster.ledger.finetuned import Outcome
from forecaster.manifest import TrainingFacts
from forecaster.predictor import Predictor
from forecaster.pretrained import pretrained_encoder
from forecaster.training.fit import fit_key
from forecaster.training.start import fine_tune
from pipelines import registry
from pipelines.comparison import SEASONAL_NAIVE, compare
from pipelines.config import Environment, PipelineConfig, SourceConfig, StartConfig
from pipelines.finetune.finetuned import make_room
from pipelines.loading import LoadedPanel
from pipelines.promotion.champions import Cause, champions
from pipelines.registry import Version
from pipelines.tracking import marked
from pipelines.train import Beside, train

_NUM_VALIDATIONS = 10  # of a whole training; between them it can be cancelled
_BATCH_SIZE = 64
_REASON = "fine-tuned for the key that asked"


@dataclass(frozen=True)
class Errand:
    """On behalf of which job a model is trained, and who hears of its progress, from 0 to 1; it may raise."""

    job_id: str
    heard: Callable[[float], None]


@dataclass(frozen=True)
class Tuned:
    """What a job came to."""

    name: str
    base: Version
    outcome: Outcome

    def content(self) -> bytes:
        """Gives the result of the job, as JSON."""
        document = {
            "model": self.name,
            "version": self.outcome.version,
            "digest": self.outcome.digest,
            "base": f"{self.base.name}/{self.base.number}",
            "num_steps": self.outcome.num_steps,
            "validation_loss": self.outcome.validation_loss,
            "metrics": self.outcome.metrics,
        }
        return json.dumps(document).encode()


@dataclass(frozen=True)
class _Shown:
    """A predictor that is compared on the folds that a training of these facts has not seen."""

    predictor: Predictor
    facts: TrainingFacts


def finetune(environment: Environment, client: MlflowClient, content: bytes, errand: Errand) -> Tuned:
    """Trains what a job orders, registers it under the name that is reserved for it, and makes it the champion.

    Nothing of an earlier attempt is left. Raises LedgerError for what is no order, NameTakenError, and what `train`
    and the registry raise; whatever `errand.heard` raises ends the training.
    """
    work = environment.home / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="finetune-", dir=work) as folder:
        order, panel = unpacked(content, Path(folder))
        make_room(client, order.name, errand.job_id)
        base = registry.find(client, f"{order.base}/{order.base_version}")
        bundle = registry.load(base, environment.verifying_keys)
        config = _config(order, bundle)
        start = fine_tune(bundle, 1.0, order.trained_blocks, tuned_share=1.0)
        loaded = LoadedPanel(panel, (), {"num_series": len(panel), "num_steps": panel.num_values})
        beside = Beside(heard=lambda step: errand.heard(min(1.0, step / order.max_steps)), has_trend=False)
        try:
            with marked({TAG: errand.job_id}):  # its runs are deleted by that mark
                training = train(environment, client, config, loaded, start=start, beside=beside)
        finally:  # nobody goes on with a training that was broken off
            checkpoints = environment.home / "checkpoints" / fit_key(panel, config.forecaster, start)
            shutil.rmtree(checkpoints, ignore_errors=True)
        tuned = registry.load(training.version, environment.verifying_keys)
        metrics = _metrics(panel, config, bundle, tuned)
        errand.heard(1.0)
        with champions(environment, client) as door:
            door.move(training.version, Cause(_REASON, training.run_id))
    return Tuned(order.name, base, _outcome(training.version, tuned, metrics))


def _config(order: FinetuneOrder, bundle: Bundle) -> PipelineConfig:
    return PipelineConfig(
        name=order.name,
        source=SourceConfig(),
        model=bundle.config.model,
        training=TrainingConfig(
            max_steps=order.max_steps,
            batch_size=_BATCH_SIZE,
            steps_per_validation=max(1, order.max_steps // _NUM_VALIDATIONS),
            learning_rate=order.learning_rate,
            num_members=len(bundle.predictor.networks),
        ),
        split=SplitConfig(num_validation_folds=1, num_test_folds=order.num_test_folds),
        # Whose series these are is not known. What the base may have seen of them is told with the metrics.
        start=StartConfig(
            kind="fine_tune",
            reference=f"{order.base}/{order.base_version}",
            learning_rate_factor=1.0,
            trained_blocks=order.trained_blocks,
            tuned_share=1.0,
            other_series=True,
        ),
        figures=False,  # it is told to the caller, over HTTP
        export=NETWORK in bundle.manifest.files,
    )


def _metrics(panel: Panel, config: PipelineConfig, base: Bundle, tuned: Bundle) -> Mapping[str, Any] | None:
    """Gives how good the model, its base and the seasonal naive are on the steps that were held out."""
    if not config.split.num_test_folds:
        return None
    found = compare(panel, config, {"finetuned": tuned, "base": _Shown(base.predictor, tuned.facts)})
    roles = ("finetuned", "base", SEASONAL_NAIVE)
    scores = {role: found[role].scores.as_metrics() for role in roles}
    return {**scores, "base_may_have_seen_them": may_have_seen(base, panel, config)}


def may_have_seen(base: Bundle, panel: Panel, config: PipelineConfig) -> bool:
    """Says whether training, of the base or of what it began with, may have seen the steps that are held out.

    A bundle tells what its own training saw: of what it began with that is known of the encoder in the box alone,
    which has seen no data.
    """
    began_with = base.facts.start.bundle_digest
    if began_with is not None and began_with != pretrained_encoder().digest:
        return True
    folds = rolling_origin(panel, base.predictor.horizon, config.split.num_test_folds)
    try:
        unseen = unseen_folds(panel, folds, base.facts)
    except LeakageError:
        return True
    return any(len(fold.series) < len(all_.series) for fold, all_ in zip(unseen, folds, strict=True))


def _outcome(version: Version, tuned: Bundle, metrics: Mapping[str, Any] | None) -> Outcome:
    facts = tuned.facts
    return Outcome(str(version.number), tuned.digest, facts.num_steps, facts.validation_loss, metrics)
