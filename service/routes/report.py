"""POST /v1/report: how series are read, before a model is asked."""

from __future__ import annotations

from asyncio import to_thread

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.app_state import service_of
from service.report.reading import checked_num_steps, encoded, reading_of
from service.report.schemas import ReportReply, ReportRequest
from service.requests.body import refuse_all_but_json, request_of
from service.requests.connection import arrival, read_body
from service.requests.media import JSON
from service.requests.translate import checked_num_points
from service.tables.query import refuse_options

router = APIRouter(prefix="/v1", tags=["forecast"], dependencies=[requires(Scope.FORECAST)])


@router.post(
    "/report",
    response_model=ReportReply,
    responses=openapi.timed_problems(400, 401, 403, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=openapi.json_body("ReportRequest"),
)
async def report(request: Request) -> Response:
    """Tells how series are read: their frequency, what is missing, and what should be known of them."""
    service, headers = service_of(request.scope), request.headers
    security = security_of(request.scope)

    def charge(num_points: int) -> None:
        security.charge(request.state.principal, max(0, num_points), horizon=1)

    expires = service.admission.expires(headers, arrival(request.scope))
    refuse_all_but_json(headers)
    refuse_options(request.scope["query_string"], ReportRequest)
    with service.admission.admitted(expires):
        body = await read_body(headers, request.receive, service.settings.max_body_bytes, expires)

        def read() -> bytes:
            asked = request_of(ReportRequest, headers, body, service.settings)
            num_points = checked_num_points(asked, service.settings.max_points)
            charge(num_points)
            reading = reading_of(asked)
            charge(checked_num_steps(reading, service.settings.max_points) - num_points)
            return encoded(asked, reading)

        return Response(await to_thread(read), media_type=JSON)
