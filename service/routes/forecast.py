"""POST /v1/forecast: the request's path is body -> schema -> panel -> engine -> reply."""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from forecaster.types import Forecast
from service import openapi, translate
from service.body import read_forecast_request
from service.schemas import DataWarning, ForecastReply, ForecastRequest, ModelRef

router = APIRouter(prefix="/v1", tags=["forecast"])


@router.post(
    "/forecast",
    response_model=ForecastReply,
    responses=openapi.problems(400, 404, 413, 415, 422, 500, 503),
    openapi_extra=openapi.FORECAST_BODY,
)
async def forecast(request: Request, wanted: Annotated[ForecastRequest, Depends(read_forecast_request)]) -> Response:
    """Forecasts each series of the request from its own history."""
    service = request.app.state.service
    translate.check_num_points(wanted, service.settings.max_points)
    model = service.engine.model(wanted.model)
    translate.refuse_covariates(model.bundle.config.model.covariates)
    panel, warnings = await to_thread(translate.to_panel, wanted, model.bundle.predictor.frequency)
    answer = await service.engine.forecast(model, panel, wanted.horizon, wanted.quantiles)
    service.telemetry.count_series(model, len(panel))
    reference = ModelRef(name=model.reference.name, version=model.reference.version, digest=model.bundle.digest)
    body = await to_thread(_encoded, wanted, answer, reference, warnings)
    return Response(body, media_type="application/json")


def _encoded(
    wanted: ForecastRequest, answer: Forecast, model: ModelRef, warnings: dict[str, list[DataWarning]]
) -> bytes:
    return orjson.dumps(translate.to_reply(wanted, answer, model, warnings).model_dump())
