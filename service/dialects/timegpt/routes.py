"""The routes of TimeGPT's dialect: each body is translated into what /v1 is asked, and each answer back."""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.answers.endpoint import rolling_answer
from service.app_state import service_of
from service.dialects.answering import answer_in
from service.dialects.timegpt import replies, translation
from service.dialects.timegpt.choice import Choices, frequencies_of
from service.dialects.timegpt.operations import ANOMALIES, CROSS_VALIDATION, FORECAST, ONLINE_ANOMALIES
from service.dialects.timegpt.schemas import KeyIsGood, ModelNames, ModelSizes, Spending, Usage, WindowSizes
from service.dialects.timegpt.sizes import sizes_of
from service.requests.asked import Asked, FindModel
from service.requests.body import refuse_all_but_json
from service.requests.reply import Answer
from service.routes.jobs import expires_of, owner_of

router = APIRouter(tags=["timegpt"], dependencies=[requires(Scope.FORECAST)], responses=openapi.problems(401, 403, 429))


@router.get("/validate_api_key")
async def validate_api_key() -> KeyIsGood:
    """Answers 200 to a key that may ask for forecasts; no other comes so far."""
    return KeyIsGood(detail="this key may ask for forecasts")


@router.get("/usage", responses=openapi.problems(404))
async def usage(request: Request) -> Usage:
    """Gives what the key has spent, in points x steps, of what it may spend at once."""
    security = security_of(request.scope)
    principal = request.state.principal
    spent = security.spent(principal)
    return Usage(minute=Spending(consumed=round(spent), limit=round(principal.rate.burst)))


@router.get("/v2/models")
async def models(request: Request) -> ModelNames:
    """Names the models in service, and the name that stands for the one of a frequency."""
    return ModelNames.of(Choices.of(service_of(request.scope)).names)


@router.get("/model_params", responses=openapi.problems(404, 422, 503, 504))
async def model_params(
    request: Request,
    model: Annotated[str, Query(min_length=1, max_length=256)],
    freq: Annotated[str, Query(min_length=1, max_length=20)],
) -> ModelSizes:
    """Gives how many steps of a series are to be sent, and how many a model forecasts at once."""
    service = service_of(request.scope)

    def sizes_with(find: FindModel) -> WindowSizes:
        return sizes_of(Choices.of(service), model, frequencies_of(freq, has_starts=False), find)

    sizes = await service.finetuned.told(service.offered, owner_of(request), expires_of(request), sizes_with)
    return ModelSizes(detail=sizes)


@router.post(FORECAST, include_in_schema=False)
async def forecast(request: Request) -> Response:
    """Forecasts what follows each series."""
    return await answer_in(_Forecast(request), request)


@router.post(CROSS_VALIDATION, include_in_schema=False)
async def cross_validation(request: Request) -> Response:
    """Forecasts the known course of each series."""
    read, encode = translation.cross_validation_asked, replies.cross_validation
    return await rolling_answer(request.scope, request.receive, read, encode)


@router.post(ANOMALIES, include_in_schema=False)
async def anomaly_detection(request: Request) -> Response:
    """Says which values of each series lie outside an interval of a forecast that was made before them."""
    return await rolling_answer(request.scope, request.receive, translation.anomalies_asked, replies.anomalies)


@router.post(ONLINE_ANOMALIES, include_in_schema=False)
async def online_anomaly_detection(request: Request) -> Response:
    """Says which of the last values of each series lie outside such an interval."""
    read, encode = translation.online_asked, replies.online_anomalies
    return await rolling_answer(request.scope, request.receive, read, encode)


class _Forecast:
    """One request for a forecast."""

    def __init__(self, request: Request) -> None:
        """Looks at the head: UnsupportedMediaType for all that is not JSON."""
        refuse_all_but_json(request.headers)
        self._service, self._headers = service_of(request.scope), request.headers
        self._owner = owner_of(request)

    async def understood(self, body: bytes, expires: float) -> Asked:
        """Gives what a body asks."""

        async def ask(find: FindModel) -> Asked:
            return await to_thread(translation.forecast_asked, self._service, self._headers, body, expires, find)

        return await self._service.finetuned.asking(self._service.offered, self._owner, expires, ask)

    def encoded(self, asked: Asked, answer: Answer) -> bytes:
        """Gives the whole reply as JSON."""
        return replies.forecast(asked, answer)

    def headers(self, answer: Answer) -> dict[str, str]:
        """Gives none: the reply says it all."""
        return {}
