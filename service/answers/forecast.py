"""The answer to a request for a forecast, in whatever words it came: computed, adapted, written, kept, counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.responses import Response

from forecaster.arrays import FloatArray
from forecaster.ledger import records
from service.answers import fallback
from service.answers.timing import server_timing
from service.app_state import Service
from service.compute.engine import Given
from service.ledger.giving import Adapting, Said, Sent, record_of
from service.requests.adaption import Adaption
from service.requests.asked import Asked
from service.requests.reply import Answer
from service.tables.writing import MANY_NUMBERS

Write = Callable[[Asked, Answer, str], Awaitable[tuple[bytes, dict[str, str]]]]  # as a media type; headers beside it


@dataclass(frozen=True)
class _Computed:
    """What a request asks for, as numbers: the model's own forecast, and as it was adapted, with scenarios of that."""

    own: Given
    adapted: Given
    adaption: Adaption | None = None
    samples: FloatArray | None = None

    @property
    def adapting(self) -> Adapting | None:
        """What the ledger is told of its adaption."""
        return None if self.adaption is None else Adapting(self.own.forecast, self.adaption)


async def answered(service: Service, asked: Asked, media_type: str, write: Write, sent: Sent | None = None) -> Response:
    """Has the model answer, writes that down, counts it, and perhaps shows it to the challenger.

    The forecast is kept, and has an id, where it is known how the request was sent.
    """
    computed = await _computed(service, asked)
    given = computed.adapted
    forecast_id = None if sent is None else service.recorder.forecast_id()
    answer = asked.answer(
        given.forecast,
        samples=computed.samples,
        degraded=given.degraded,
        forecast_id=forecast_id,
        adaption=computed.adaption,
    )
    began = time.perf_counter()
    content, headers = await write(asked, answer, media_type)
    serialise = time.perf_counter() - began
    if sent is not None and forecast_id is not None:
        said = Said(forecast_id, media_type, content)
        record = record_of(asked, given, sent, said, service.batcher.max_rows, computed.adapting)
        if not await _kept(service, record, is_large=asked.num_numbers > MANY_NUMBERS):
            content, headers = await write(asked, replace(answer, forecast_id=None), media_type)
    service.telemetry.forecasts.count(asked.model, asked.num_series, given, serialise)
    if given.degraded is None:
        service.shadow.follow(asked, computed.own.forecast)
    headers = {**headers, "Server-Timing": server_timing(given.stages, serialise)}
    return Response(content, media_type=media_type, headers=headers)


async def adaption_of(service: Service, asked: Asked) -> Adaption | None:
    """Gives what a model's forecast is to be adapted by, None where that is not asked for."""
    if not asked.request.adapt:
        return None
    reference, series_ids = asked.model.reference, asked.question.series_ids
    return Adaption.of(await service.adaptions.current(), reference.name, reference.version, series_ids)


async def _computed(service: Service, asked: Asked) -> _Computed:
    """Gives what the model says, or, where the caller allows it, what stands in for a model that does not."""
    if asked.request.fallback == "none":
        return await _by_model(service, asked, asked.expires)
    try:
        return await _by_model(service, asked, fallback.models_time(asked))
    except fallback.REASONS as reason:
        given = await fallback.standing_in(asked.question, reason)
        none = Adaption.none(asked.num_series) if asked.request.adapt else None
        return _Computed(given, given, none)


async def _by_model(service: Service, asked: Asked, expires: float) -> _Computed:
    predictor, wanted = asked.predictor, asked.request.samples
    own = adapted = await service.engine.forecast(predictor, asked.question, expires)
    adaption = await adaption_of(service, asked)
    if adaption is not None:
        adapted = replace(own, forecast=adaption.of_forecast(own.forecast, predictor.support))
    if wanted is None:
        return _Computed(own, adapted, adaption)
    samples = await service.engine.samples(predictor, wanted, adapted.forecast, expires)
    return _Computed(own, adapted, adaption, samples)


async def _kept(service: Service, record: records.Given, *, is_large: bool) -> bool:
    """Writes a forecast down, a large one beside the event loop; False where that failed."""
    if is_large:
        return await asyncio.to_thread(service.recorder.record, record)
    return await service.recorder.record_together(record)
