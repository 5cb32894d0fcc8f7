"""What a training begins with, as its config says: random weights, or those of a bundle, whose shape it then keeps."""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.bundle import Bundle
from forecaster.config import ModelConfig
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.errors import LeakageError
from forecaster.leakage import unseen_folds
from forecaster.pretrained import fine_tunable, pretrained_encoder
from forecaster.training.start import Start, fine_tune, scratch, warm_start
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import table_for
from pipelines.references import load_reference


@dataclass(frozen=True)
class Beginning:
    """A start, and the config with what its bundle settles."""

    start: Start
    config: PipelineConfig


def begin(environment: Environment, config: PipelineConfig) -> Beginning:
    """Loads the bundle that training starts with, if it starts with one.

    Settings of the model that the config does not name are then the bundle's, and so are the covariate columns of
    the table.
    """
    chosen = config.start
    if chosen.reference is None:
        return Beginning(scratch(), config)
    if chosen.reference == ZERO_SHOT:
        bundle = pretrained_encoder()
    else:
        bundle = load_reference(environment, chosen.reference).bundle
    if chosen.kind == "warm_start":
        return Beginning(warm_start(bundle), _continuing(config, bundle))
    start = fine_tune(bundle, chosen.learning_rate_factor, chosen.trained_blocks, tuned_share=chosen.tuned_share)
    return Beginning(start, _continuing(config, bundle))


def refuse_seen_folds(panel: Panel, config: PipelineConfig, start: Start) -> None:
    """Raises LeakageError where the bundle of the start may have been trained on what the test folds hold.

    The facts of the new model tell only what its own training saw: nothing later would notice.
    """
    if start.bundle is None or start.bundle.facts.is_synthetic:
        return
    if config.start.other_series or not config.split.num_test_folds:
        return
    folds = split_panel(panel, config.model.horizon, config.split).test
    facts = start.bundle.facts
    way_out = "If it was trained on other series than these, set start.other_series"
    try:
        unseen = unseen_folds(panel, folds, facts)
    except LeakageError as error:
        raise LeakageError(f"the bundle that training starts with: {error}. {way_out}") from error
    num_lost = sum(len(fold.series) - len(rest.series) for fold, rest in zip(folds, unseen, strict=True))
    if num_lost:
        message = f"the bundle that training starts with was trained on data up to {facts.latest}"
        raise LeakageError(f"{message} and has seen {num_lost} test window(s). {way_out}")


def _continuing(config: PipelineConfig, bundle: Bundle) -> PipelineConfig:
    if bundle.facts.is_synthetic:
        return config.model_copy(update={"model": fine_tunable(config.model)})
    named = config.model.model_dump(include=config.model.model_fields_set)
    model = ModelConfig(**{**bundle.config.model.model_dump(), **named})
    return config.model_copy(update={"model": model, "table": table_for([bundle], config.source, config.table)})
