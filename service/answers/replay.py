"""A forecast that is kept -> the same question, asked once more of the same version."""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from forecaster.ledger.records import ADAPTION
from forecaster.types import Forecast
from service.answers.fallback import seasonal_naive
from service.app_state import Service
from service.errors import CannotReplay
from service.model_spec import ModelSpec
from service.models.registry import VersionRef
from service.models.view import ServedModel
from service.models.zero_shot import is_built_in
from service.requests.adaption import Adaption
from service.requests.asked import Asked, understood
from service.requests.body import checked_media_type
from service.requests.media import TABLES
from service.settings import Adapt
from service.tables.writing import written

if TYPE_CHECKING:
    from forecaster.ledger.ledger import Kept


async def replayed(kept: Kept, service: Service, expires: float) -> bytes:
    """Computes a reply anew, until `expires` in monotonic time: the same bytes, on the same kind of processor.

    The version is loaded where it does not serve, and executed by what executed it then. Raises CannotReplay where the
    settings of this service cut questions into other pieces; VersionUnavailable, DeadlineExceeded, Overloaded.
    """
    if kept.execution["max_rows"] != service.batcher.max_rows:
        raise CannotReplay(f"it was computed with FORECASTER_MAX_BATCH={kept.execution['max_rows']}")
    model = await _version(kept, service, expires)
    asked = await _asked(kept, model, service, expires)
    forecast = await _forecast(kept, asked, service)
    adaption = _adaption(kept)
    if adaption is not None:
        forecast = adaption.of_forecast(forecast, asked.predictor.support)
    samples, wanted = None, asked.request.samples
    if wanted is not None and kept.degraded is None:
        samples = await service.engine.samples(asked.predictor, wanted, forecast, asked.expires)
    answer = asked.answer(
        forecast, samples=samples, degraded=kept.degraded, forecast_id=kept.forecast_id, adaption=adaption
    )
    content, _ = await written(asked, answer, kept.media_type)
    return content


def _adaption(kept: Kept) -> Adaption | None:
    """Gives what the forecast was adapted by then, whatever the factors are now."""
    facts = kept.execution.get(ADAPTION)
    return None if facts is None else Adaption.kept(facts)


async def _version(kept: Kept, service: Service, expires: float) -> ServedModel:
    """Gives the version as it served then, with the generation that it had."""
    reference, runtime = VersionRef(kept.model, kept.version, kept.digest), kept.execution["runtime"]
    if is_built_in(reference):
        return replace(service.zero_shot.again(reference), generation=kept.generation)
    serving = (one.bundle for one in service.models.served if one.reference == reference)
    bundle = next((one for one in serving if one.runtime.name == runtime), None)
    if bundle is None:
        bundle = await service.versions.of(reference, runtime, expires)
    return ServedModel(ModelSpec(kept.model, version=int(kept.version)), reference, bundle, kept.generation)


async def _asked(kept: Kept, model: ServedModel, service: Service, expires: float) -> Asked:
    headers, query = Headers(kept.execution["headers"]), kept.execution["query"].encode("latin-1")
    media_type = checked_media_type(headers)
    adapt: Adapt = "always" if ADAPTION in kept.execution else "asked"  # as it was then
    if media_type in TABLES:
        return await service.tables.understood(
            media_type, headers, query, kept.request, expires, lambda _: model, adapt=adapt
        )
    settings = service.settings.model_copy(update={"adapt": adapt})
    return await to_thread(understood, headers, kept.request, expires, settings, lambda _: model)


async def _forecast(kept: Kept, asked: Asked, service: Service) -> Forecast:
    if kept.degraded is not None:
        return await to_thread(seasonal_naive, asked.question)
    batches = kept.execution["batches"]
    return await service.engine.again(asked.predictor, asked.question, batches, asked.expires)
