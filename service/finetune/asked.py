"""The body of a request to fine-tune -> an order for whoever trains, with its panel."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers

from forecaster.config import SplitConfig
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.errors import SeriesError
from forecaster.ledger.finetune_order import FinetuneOrder, packed
from forecaster.ledger.finetuned_names import PREFIX
from service.errors import InvalidFields
from service.finetune.schemas import FinetuneRequest
from service.models.view import ServedModel
from service.requests import translate
from service.requests.asked import FindModel
from service.requests.body import request_of
from service.settings import Settings

_HEADERS = Headers()  # of a body without an encoding


@dataclass(frozen=True)
class FinetuneAsked:
    """A request that can be obeyed: what is ordered, and what it costs."""

    order: FinetuneOrder
    content: bytes  # the order with its panel
    frequency: str
    num_points: int


def finetune_asked(body: bytes, settings: Settings, find: FindModel) -> FinetuneAsked:
    """Takes the body of a request apart; every problem of the caller's making is found here."""
    request = request_of(FinetuneRequest, _HEADERS, body, settings)
    return finetune_of(request, find(request.model), settings)


def finetune_of(request: FinetuneRequest, model: ServedModel, settings: Settings) -> FinetuneAsked:
    """Gives what a request orders, however it was written; ForecasterError where it cannot be trained."""
    if model.own_frequency is None:
        raise InvalidFields.of("model", f"{ZERO_SHOT} cannot be trained further here: name a registered model")
    num_points = translate.checked_num_points(request, settings.max_points)
    if request.max_steps > settings.max_finetune_steps:
        raise InvalidFields.of("max_steps", f"{request.max_steps}, at most {settings.max_finetune_steps} are allowed")
    predictor, config = model.bundle.predictor, model.bundle.config.model
    if request.trained_blocks is not None and request.trained_blocks > config.num_layers:
        raise InvalidFields.of("trained_blocks", f"{request.trained_blocks}, but this model has {config.num_layers}")
    panel = translate.to_panel(request, predictor.frequency, config).panel
    predictor.check_frequency(panel)
    order = FinetuneOrder(
        name=request.name or f"{PREFIX}{secrets.token_hex(8)}",
        base=model.reference.name,
        base_version=int(model.reference.version),
        max_steps=request.max_steps,
        learning_rate=request.learning_rate,
        trained_blocks=request.trained_blocks,
        num_test_folds=_num_test_folds(panel, predictor.horizon),
    )
    return FinetuneAsked(order, packed(order, panel), panel.axis.frequency.alias, num_points)


def _num_test_folds(panel: Panel, horizon: int) -> int:
    """Gives how many horizons can be held out; SeriesError where the series are too short to be trained on at all."""
    try:
        split_panel(panel, horizon, SplitConfig(num_validation_folds=1, num_test_folds=1))
    except SeriesError:
        split_panel(panel, horizon, SplitConfig(num_validation_folds=1, num_test_folds=0))
        return 0
    return 1
