"""A request for an explanation that was understood; and how it is computed, with room for forecasts in between."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from starlette.datastructures import Headers

from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.errors import RequestError
from forecaster.explain import ExplainConfig, Explanation, explaining
from forecaster.predictor import Predictor
from service.compute.batcher import Batcher
from service.compute.work import Alone
from service.errors import InvalidFields, ModelNotFinite
from service.explain.schemas import ExplainRequest
from service.models.view import ServedModel
from service.requests.body import request_of
from service.requests.frequency import frequency_for
from service.requests.translate import Warnings, checked_num_points, to_panel
from service.settings import Settings

FindModel = Callable[[str | None], ServedModel]

_MOST_TOKENS = 256
_MOST_WEIGHTS = 2_000_000  # of about ten bytes each
# As long as so many windows one by one, a part is expected to take: a full batch of the default size.
_ROWS_PER_PART = 32
_FORECASTS_PER_GRADIENT = 3  # a gradient takes as long as a forecast forward, and about twice that backward


@dataclass(frozen=True)
class Asked:
    """What a request comes to. It keeps the version of the model that it began with."""

    request: ExplainRequest
    model: ServedModel
    panel: Panel  # of one series
    warnings: Warnings
    num_points: int  # numbers in the history and the covariates

    @property
    def config(self) -> ExplainConfig:
        """How thoroughly it is explained."""
        return self.request.config()

    @property
    def horizon(self) -> int:
        """Steps of each forecast that is computed on the way."""
        return self.model.bundle.predictor.horizon

    @property
    def cost_points(self) -> int:
        """Points that count: those that were sent, and in each forecast on the way those that the model looks at."""
        network, config = self.model.bundle.predictor.network, self.config
        num_patches = -(-network.context_length // network.tokens.patch_length)
        forecasts = num_patches + _FORECASTS_PER_GRADIENT * config.num_path_points + 2 * config.num_random_draws
        return self.num_points + forecasts * min(self.num_points, network.context_length)


def understood(headers: Headers, body: bytes, settings: Settings, find: FindModel) -> Asked:
    """Takes a body apart; every problem of the caller's making is found here, before any weights are loaded."""
    request = request_of(ExplainRequest, headers, body, settings)
    wanted = request.forecast_request()
    num_points = checked_num_points(wanted, settings.max_points)
    model = find(request.model)
    read = to_panel(wanted, frequency_for(wanted, model), model.bundle.config.model)
    model = model.for_series(read.panel.axis.frequency, read.longest)
    predictor = model.bundle.predictor
    _refuse_many_tokens(predictor, attention=request.attention)
    explaining(predictor, read.panel, 0, config=request.config())
    return Asked(request, model, read.panel, read.warnings, num_points)


async def explained(asked: Asked, predictor: Predictor, batcher: Batcher, expires: float) -> Explanation:
    """Explains on the inference thread until `expires`, in monotonic time, by a predictor whose networks have weights.

    Each part is a work of its own, so that forecasts need not wait for all of them. Raises what the batcher raises,
    and ModelNotFinite rather than give NaN or infinity.
    """
    parts = await to_thread(explaining, predictor, asked.panel, 0, None, asked.config)
    explanation: Explanation | None = None
    while explanation is None:
        task = Alone(lambda: next(parts), _ROWS_PER_PART)
        explanation = (await batcher.answer(task, expires)).value
    _refuse_not_finite(explanation)
    return explanation


def _refuse_many_tokens(predictor: Predictor, *, attention: bool) -> None:
    """Refuses a model that would take minutes to explain, and attention that is too much for a reply."""
    config, num_tokens = predictor.network.config, len(predictor.network.tokens.spans)
    if num_tokens > _MOST_TOKENS:
        message = f"this model looks at {num_tokens} tokens, at most {_MOST_TOKENS} are explained here"
        raise RequestError(message, code="too-many-tokens")
    number = len(predictor.networks) * config.num_layers * config.num_heads * num_tokens**2
    if attention and number > _MOST_WEIGHTS:
        raise InvalidFields.of("attention", f"has {number} numbers for this model, at most {_MOST_WEIGHTS} are told")


def _refuse_not_finite(explanation: Explanation) -> None:
    told: list[FloatArray | float] = [
        explanation.forecast,
        explanation.flat_forecast,
        explanation.attention,
        explanation.attention_roll_out,
    ]
    for one in (explanation.occlusion, explanation.gradients):
        told += [one.values, one.faithfulness.top_change, one.faithfulness.random_change]
    if not all(np.isfinite(value).all() for value in told):
        raise ModelNotFinite("the explanation holds a value that is not finite")
