"""Fine-tuning in TimeGPT's words: a body -> the order that POST /v1/finetune makes, a model -> what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from forecaster.ledger.ids import time_text
from service.app_state import Service
from service.dialects.timegpt.bodies import FinetuneSent
from service.dialects.timegpt.exogenous import Rows
from service.dialects.timegpt.schemas import FinetunedModel
from service.dialects.timegpt.translation import in_its_words, read_series
from service.finetune.asked import FinetuneAsked, finetune_of
from service.finetune.schemas import FinetuneRequest
from service.requests.asked import FindModel
from service.requests.body import request_of, validated

if TYPE_CHECKING:
    from forecaster.ledger.finetuned import Tuned

_EVERYTHING = 5


def finetune_asked(service: Service, body: bytes, find: FindModel) -> FinetuneAsked:
    """Takes a body without an encoding apart; every problem of the caller's making is found here."""
    settings = service.settings
    sent = request_of(FinetuneSent, Headers(), body, settings)
    served, series = read_series(service, sent, find, Rows(len(sent.series.X or ()), None))
    options = {
        "name": sent.output_model_id,
        "max_steps": sent.finetune_steps,
        "trained_blocks": _blocks_of(sent.finetune_depth, served.bundle.config.model.num_layers),
    }
    with in_its_words():
        return finetune_of(validated(FinetuneRequest, {**series, **options}, settings), served, settings)


def told(tuned: Tuned) -> FinetunedModel:
    """Gives what is told of a model."""
    return FinetunedModel(
        id=tuned.name,
        created_at=time_text(tuned.created),
        created_by=tuned.owner,
        base_model_id=f"{tuned.base}/{tuned.base_version}",
        steps=tuned.max_steps,
        depth=_depth_of(tuned.trained_blocks),
        loss="default",
        model=tuned.base,
        freq=tuned.frequency,
    )


def _depth_of(trained_blocks: int | None) -> int:
    """Gives the depth that comes nearest to a number of blocks, None being everything."""
    return _EVERYTHING if trained_blocks is None else min(trained_blocks + 1, _EVERYTHING - 1)


def _blocks_of(depth: int, num_layers: int) -> int | None:
    """Gives how many of the encoder's last blocks are trained: none at depth 1, everything there is at depth 5."""
    return None if depth == _EVERYTHING else min(depth - 1, num_layers)
