"""GET /v1/model and /v1/models: what is served, and what it can do."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service import openapi
from service.schemas import ModelDescription, ModelList

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/model", responses=openapi.problems(404, 422, 503))
async def model(request: Request, name: str | None = None) -> ModelDescription:
    """Describes the model of that name, or the only one in service."""
    return ModelDescription.model_validate(request.app.state.service.models.find(name).describe())


@router.get("/models")
async def models(request: Request) -> ModelList:
    """Describes all models in service."""
    served = request.app.state.service.models.served
    return ModelList(models=[ModelDescription.model_validate(one.describe()) for one in served])
