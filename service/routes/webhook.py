"""POST /v1/models/webhook: MLflow says that something has changed, and the registry is looked at."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import openapi
from service.access.guards import requires_delivery
from service.app_state import service_of

router = APIRouter(
    prefix="/v1", tags=["models"], dependencies=[requires_delivery()], responses=openapi.problems(401, 413, 429)
)


@router.post("/models/webhook", status_code=202, response_class=Response)
async def webhook(request: Request) -> Response:
    """Has the registry looked at within a second or so. What the delivery says beside that is believed by nobody."""
    service_of(request.scope).next_look.ask()
    return Response(status_code=202)
