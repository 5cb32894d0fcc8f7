"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.errors import Draining, Stuck
from service.models.view import ServedModel
from service.routes.declared import METRICS

router = APIRouter(tags=["operations"])


@router.get("/livez", responses=openapi.problems(503))
async def livez(request: Request) -> dict[str, str]:
    """Answers 200 while the process runs its event loop and its inference thread is not stuck, else 503."""
    check_alive(request)
    return {"status": "alive"}


@router.get("/readyz", responses=openapi.problems(503))
async def readyz(request: Request) -> Response:
    """Answers 200 once a verified model can forecast, 503 before, and again when the process is about to end."""
    service = service_of(request.scope)
    refuse_draining(request)
    models = checked_ready(request) if service.offered.stand_in is None else []
    versions = {model.spec.short(service.settings.alias): model.reference.version for model in models}
    encoder = service.zero_shot.model
    beside = {} if encoder is None else {"zero_shot": encoder.reference.version}
    return JSONResponse({"status": "ready", "models": versions, **beside})


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[requires(Scope.METRICS)],
    responses=METRICS | openapi.problems(401, 403, 429),
)
async def metrics(request: Request) -> Response:
    """Gives the metrics in Prometheus' text format."""
    return Response(service_of(request.scope).telemetry.exposition(), media_type="text/plain; version=0.0.4")


def check_alive(request: Request) -> None:
    """Raises Stuck where the inference thread does not come back."""
    service = service_of(request.scope)
    busy = service.batcher.busy_seconds
    if busy > service.settings.stuck_seconds:
        raise Stuck(f"one forward pass has run for {busy:.0f} s")


def refuse_draining(request: Request) -> None:
    """Raises Draining where the process is about to end."""
    if request.app.state.draining:
        raise Draining("this process is about to end")


def checked_ready(request: Request) -> list[ServedModel]:
    """Gives the registered models that can forecast; Draining where the process is to end, NotReady without any."""
    refuse_draining(request)
    models = service_of(request.scope).models
    served = models.served
    if not served:
        models.find(None)
    return served
