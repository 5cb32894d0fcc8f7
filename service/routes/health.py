"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service import openapi
from service.errors import Draining

router = APIRouter(tags=["operations"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answers while the process runs its event loop."""
    return {"status": "alive"}


@router.get("/readyz", responses=openapi.problems(503))
async def readyz(request: Request) -> Response:
    """Answers 200 once a verified model can forecast, 503 before, and again when the process is about to end."""
    if request.app.state.draining:
        raise Draining("this process is about to end")
    models = request.app.state.service.engine.models
    if not models:
        request.app.state.service.engine.model(None)
    return JSONResponse({"status": "ready", "models": {m.reference.name: m.reference.version for m in models}})


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Gives the metrics in Prometheus' text format."""
    return Response(request.app.state.service.telemetry.exposition(), media_type="text/plain; version=0.0.4")
