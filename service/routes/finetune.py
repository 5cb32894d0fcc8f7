"""Fine-tuning: a model is trained further on a caller's series, by a worker of the pipelines, as a job."""

from __future__ import annotations

from asyncio import to_thread
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from forecaster.ledger.finetune_order import FINETUNE
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import Security
from service.app_state import service_of
from service.errors import UnknownModel
from service.finetune.asked import FinetuneAsked, finetune_asked
from service.finetune.schemas import TunedList, TunedModel, told
from service.jobs.schemas import JobOut
from service.requests.asked import FindModel
from service.requests.body import decoded, refuse_all_but_json
from service.requests.connection import arrival, read_body
from service.routes.jobs import accepted, idempotency_key, owner_of
from service.tables.query import refuse_options

router = APIRouter(
    prefix="/v1",
    tags=["finetune"],
    dependencies=[requires(Scope.FINETUNE)],
    responses=openapi.problems(401, 403, 422, 429, 503),
)

Name = Annotated[str, Path(max_length=128)]


@router.post(
    "/finetune",
    status_code=202,
    response_model=JobOut,
    responses=openapi.timed_problems(400, 404, 408, 409, 413, 415, 429, 503, 504),
    openapi_extra=openapi.job_operation("FinetuneRequest"),
)
async def finetune(request: Request) -> Response:
    """Orders a model that is trained further on these series. Its job tells its name and how good it is."""
    service, headers = service_of(request.scope), request.headers
    expires = service.admission.expires(headers, arrival(request.scope))
    key, owner = idempotency_key(headers), owner_of(request)
    refuse_all_but_json(headers)
    refuse_options(request.scope["query_string"])
    body = await read_body(headers, request.receive, service.settings.max_body_bytes, expires)
    content = await to_thread(decoded, headers, body, service.settings)

    async def understood(find: FindModel) -> FinetuneAsked:
        return await to_thread(finetune_asked, content, service.settings, find)

    asked = await service.finetuned.asking(service.models, owner, expires, understood)
    security: Security = request.app.state.security
    pay = partial(security.charge, request.state.principal, asked.num_points, asked.order.max_steps)
    new = service.desk.new(FINETUNE, owner, asked.content, key, sent=content)
    return accepted(await service.desk.order(new, asked.order, asked.frequency, pay, expires))


@router.get("/finetuned")
async def finetuned(request: Request) -> TunedList:
    """Lists the models that the key that asks has fine-tuned, by name."""
    service, owner = service_of(request.scope), owner_of(request)
    expires = service.admission.expires(request.headers, arrival(request.scope))
    found = await service.desk.ask(lambda jobs: jobs.models.of_owner(owner), expires)
    return TunedList(models=[told(one) for one in found])


@router.get("/finetuned/{name}", responses=openapi.problems(404))
async def finetuned_model(request: Request, name: Name) -> TunedModel:
    """Describes a model that the key that asks has fine-tuned."""
    service, owner = service_of(request.scope), owner_of(request)
    expires = service.admission.expires(request.headers, arrival(request.scope))
    found = await service.desk.tuned(name, owner, expires)
    if found is None:
        raise UnknownModel("this key has no fine-tuned model of that name")
    return told(found)


@router.delete("/finetuned/{name}", status_code=204, response_class=Response, responses=openapi.problems(404))
async def delete(request: Request, name: Name) -> Response:
    """Deletes a model that the key that asks has fine-tuned. A worker takes it out of the registry soon after."""
    service, owner = service_of(request.scope), owner_of(request)
    expires = service.admission.expires(request.headers, arrival(request.scope))
    service.finetuned.forget(name, owner)
    if not await service.desk.ask(lambda jobs: jobs.models.delete(name, owner), expires):
        raise UnknownModel("this key has no fine-tuned model of that name")
    return Response(status_code=204)
