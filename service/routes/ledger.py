"""What was forecast, what then happened, and how good the forecasts turned out to be."""

from __future__ import annotations

import re
from asyncio import to_thread
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BeforeValidator
from starlette.responses import Response

from forecaster.ledger.ids import ID, now_microseconds, time_text
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.answers.replay import replayed
from service.app_state import service_of
from service.ledger.actuals import observed_of
from service.ledger.orders import DAY, RECENT_DAYS
from service.ledger.schemas import (
    ActualsIn,
    ActualsReply,
    DriftOut,
    ForecastOutcome,
    OutcomeOut,
    SkillOut,
    SkillReply,
)
from service.requests.asked import FindModel
from service.requests.body import refuse_all_but_json, request_of
from service.requests.connection import read_body
from service.requests.frequency import frequency_for
from service.requests.parameters import KNOWN_PARAMETERS
from service.requests.translate import checked_num_points
from service.routes.declared import KEPT_FORECAST, REPLAY
from service.routes.jobs import expires_of, owner_of
from service.schemas import ModelRef
from service.tables.query import refuse_options

if TYPE_CHECKING:
    from forecaster.ledger.ledger import Kept
    from forecaster.ledger.skill import Drift, Skill


def _written_out(given: object) -> object:
    """Refuses numbers, which would be read as seconds since 1970."""
    if not isinstance(given, str) or not _TIME.match(given):
        raise ValueError("is not an ISO 8601 time")
    return given


_COST_OF_A_REPLAY = "a replay counts the bytes of the request that it repeats"
_NO_NULL = r"^[^\x00]*$"  # which Postgres takes in no text
_TIME = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T")

Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
ForecastId = Annotated[str, Path(pattern=f"^{ID}$")]

forecasts = APIRouter(
    prefix="/v1/forecasts/{forecast_id}",
    tags=["ledger"],
    dependencies=[requires(Scope.FORECAST)],
    responses=openapi.problems(401, 403, 404, 422, 429, 503, 504),
)
feedback = APIRouter(prefix="/v1", tags=["ledger"], responses=openapi.problems(401, 403, 422, 429, 503, 504))


@forecasts.get("", response_class=Response, responses=KEPT_FORECAST)
async def forecast(request: Request, forecast_id: ForecastId) -> Response:
    """Gives the reply to a forecast once more, byte for byte."""
    kept = await _kept(request, forecast_id)
    return Response(kept.reply, media_type=kept.media_type)


@forecasts.post(
    "/replay",
    response_class=Response,
    responses=REPLAY | openapi.problems(409, 413, 500),
    openapi_extra={"parameters": openapi.OF_CALLERS},
)
async def replay(request: Request, forecast_id: ForecastId) -> Response:
    """Computes a forecast once more by the version that gave it; `X-Replay` says whether the bytes are the same."""
    service = service_of(request.scope)
    security = security_of(request.scope)
    expires = expires_of(request)
    with service.admission.admitted(expires):
        kept = await _kept(request, forecast_id)
        security.charge(request.state.principal, len(kept.request), horizon=1, advice=_COST_OF_A_REPLAY)
        content = await replayed(kept, service, expires)
    same = "same" if content == kept.reply else "different"
    return Response(content, media_type=kept.media_type, headers={"X-Replay": same})


@forecasts.get("/outcome")
async def outcome(request: Request, forecast_id: ForecastId) -> ForecastOutcome:
    """Says what came of a forecast, by the values that are known until now."""
    kept = await _kept(request, forecast_id)
    return ForecastOutcome(
        id=kept.forecast_id,
        created=time_text(kept.created),
        model=ModelRef(name=kept.model, version=kept.version, digest=kept.digest, generation=kept.generation),
        degraded=kept.degraded,
        series=[OutcomeOut(id=series_id, **asdict(found)) for series_id, found in kept.outcomes],
    )


@feedback.post(
    "/actuals",
    dependencies=[requires(Scope.FEEDBACK)],
    responses=openapi.problems(400, 404, 408, 413, 415),
    openapi_extra=openapi.json_body("ActualsIn"),
)
async def actuals(request: Request) -> ActualsReply:
    """Takes in what happened. Values may come late, again, and corrected: of one time, the one sent last counts."""
    service = service_of(request.scope)
    expires = expires_of(request)
    refuse_all_but_json(request.headers)
    refuse_options(request.scope["query_string"], ActualsIn)
    body = await read_body(request.headers, request.receive, service.settings.max_body_bytes, expires)

    def paid_for() -> ActualsIn:
        asked = request_of(ActualsIn, request.headers, body, service.settings)
        num_values = checked_num_points(asked, service.settings.max_points)
        security_of(request.scope).charge(request.state.principal, num_values, horizon=1)
        return asked

    asked = await to_thread(paid_for)

    def take_in(find: FindModel) -> ActualsReply:
        served = find(asked.model)
        frequency = frequency_for(asked, served)
        values = observed_of(asked, served.reference, frequency, now_microseconds())
        service.recorder.record_observed(values)
        return ActualsReply(values=asked.num_points)

    async def ask(find: FindModel) -> ActualsReply:
        return await to_thread(take_in, find)

    return await service.finetuned.asking(service.offered, owner_of(request), expires, ask)


@feedback.get("/skill", dependencies=[requires(Scope.FORECAST), KNOWN_PARAMETERS])
async def skill(
    request: Request,
    model: Annotated[str | None, Query(max_length=256, pattern=_NO_NULL)] = None,
    since: Annotated[Moment | None, Query(description="Of forecasts made from this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Of forecasts made before this time.")] = None,
    recent_days: Annotated[
        float,
        Query(gt=0, le=36_500, description="Drift compares forecasts of the last so many days with those before."),
    ] = RECENT_DAYS,
) -> SkillReply:
    """Says how good the forecasts of each model and version turned out to be, by segment, beside the seasonal naive.

    Of fine-tuned models, it tells of those of the key that asks.
    """
    begin, end = _microseconds(since), _microseconds(until)
    since_recent = (now_microseconds() if end is None else end) - round(recent_days * DAY)
    owner = owner_of(request)
    found = await service_of(request.scope).shelf.ask(
        lambda shelf: shelf.skill(owner, model, begin, end, since_recent), expires_of(request)
    )
    return SkillReply(skill=[_skill_out(*one) for one in found])


async def _kept(request: Request, forecast_id: str) -> Kept:
    return await service_of(request.scope).shelf.ask(lambda shelf: shelf.forecast(forecast_id), expires_of(request))


def _skill_out(skill: Skill, drift: Drift | None) -> SkillOut:
    told = None if drift is None else DriftOut(**asdict(drift))
    return SkillOut(**asdict(skill), relative_mase=skill.relative_mase, drift=told)


def _microseconds(given: datetime | None) -> int | None:
    return None if given is None else round(given.timestamp() * 1e6)
