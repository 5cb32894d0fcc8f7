"""POST /v1/explain: the request's path is admission -> body -> schema -> panel -> version -> parts -> reply."""

from __future__ import annotations

from asyncio import to_thread

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.app_state import service_of
from service.explain.asked import Asked, explained, understood
from service.explain.reply import encoded
from service.explain.schemas import ExplainReply, ExplainRequest
from service.requests.asked import FindModel
from service.requests.body import refuse_all_but_json
from service.requests.connection import arrival, read_body, while_connected
from service.requests.media import JSON
from service.routes.jobs import owner_of
from service.tables.query import refuse_options

_CHEAPER = "ask for a shorter history, fewer steps, or a smaller num_path_points or num_random_draws"

router = APIRouter(prefix="/v1", tags=["explain"], dependencies=[requires(Scope.EXPLAIN)])


@router.post(
    "/explain",
    response_model=ExplainReply,
    responses=openapi.timed_problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504),
    openapi_extra=openapi.explain_operation(),
)
async def explain(request: Request) -> Response:
    """Tells why the forecast of one series is what it is: attention, attributions, and whether to believe them."""
    service, headers = service_of(request.scope), request.headers
    security = security_of(request.scope)
    expires = service.admission.expires(headers, arrival(request.scope))
    refuse_all_but_json(headers)
    refuse_options(request.scope["query_string"], ExplainRequest)
    with service.admission.admitted(expires):
        body = await read_body(headers, request.receive, service.settings.max_body_bytes, expires)

        async def ask(find: FindModel) -> Asked:
            return await to_thread(understood, headers, body, service.settings, find)

        async with while_connected(request.receive):
            asked = await service.finetuned.asking(service.offered, owner_of(request), expires, ask)
            security.charge(request.state.principal, asked.cost_points, asked.horizon, _CHEAPER)
            predictor = await service.versions.eager(asked.model, expires)
            explanation = await explained(asked, predictor, service.batcher, expires)
            content = await to_thread(encoded, asked, explanation)
    return Response(content, media_type=JSON)
