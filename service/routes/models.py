"""GET /v1/model and /v1/models: what is served, and what it can do."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service import openapi
from service.schemas import ModelDescription, ModelList
from service.security import Scope, requires

router = APIRouter(
    prefix="/v1",
    tags=["models"],
    dependencies=[requires(Scope.FORECAST)],
    responses=openapi.problems(401, 403, 429),
)


@router.get("/model", responses=openapi.problems(404, 422, 503))
async def model(request: Request, name: str | None = None) -> ModelDescription:
    """Describes the model of that name, or the only one in service."""
    return ModelDescription.model_validate(request.app.state.service.engine.model(name).describe())


@router.get("/models")
async def models(request: Request) -> ModelList:
    """Describes all models in service."""
    served = request.app.state.service.engine.models
    return ModelList(models=[ModelDescription.model_validate(one.describe()) for one in served])
