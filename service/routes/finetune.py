"""Fine-tuning: a model is trained further on a caller's series, by a worker of the pipelines, as a job."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from forecaster.ledger.finetune_order import FINETUNE
from forecaster.ledger.job import Job
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.app_state import service_of
from service.errors import UnknownModel
from service.finetune.asked import FinetuneAsked, finetune_asked
from service.finetune.schemas import TunedList, TunedModel, told
from service.jobs.schemas import JobOut
from service.requests.asked import FindModel
from service.routes.declared import TAKEN_IN
from service.routes.jobs import accepted, content_of, expires_of, idempotency_key, owner_of

if TYPE_CHECKING:
    from forecaster.ledger.finetuned import Tuned

router = APIRouter(
    prefix="/v1",
    tags=["finetune"],
    dependencies=[requires(Scope.FINETUNE)],
    responses=openapi.problems(401, 403, 422, 429, 503, 504),
)

Name = Annotated[str, Path(max_length=128)]

_NONE = "this key has no fine-tuned model of that name"


@router.post(
    "/finetune",
    status_code=202,
    response_model=JobOut,
    responses=TAKEN_IN | openapi.timed_problems(400, 404, 408, 409, 413, 415, 429, 503, 504),
    openapi_extra=openapi.job_operation("FinetuneRequest"),
)
async def finetune(request: Request) -> Response:
    """Orders a model that is trained further on these series. Its job tells its name and how good it is."""
    expires, key = expires_of(request), idempotency_key(request.headers)
    content = await content_of(request, expires)
    job = await known(request, content, key, expires)
    if job is None:
        asked = await understood(request, partial(finetune_asked, content, service_of(request.scope).settings), expires)
        job = await ordered(request, asked, content, key, expires)
    return accepted(job)


async def known(request: Request, content: bytes, key: str | None, expires: float) -> Job | None:
    """Gives the job of the same order with this idempotency key, whatever has become of its base since."""
    desk = service_of(request.scope).desk
    return await desk.known(desk.new(FINETUNE, owner_of(request), b"", key, sent=content), expires)


async def understood(request: Request, read: Callable[[FindModel], FinetuneAsked], expires: float) -> FinetuneAsked:
    """Gives what is ordered, by whatever reads it, of a model of everybody or of the key that asks."""
    service = service_of(request.scope)

    async def ask(find: FindModel) -> FinetuneAsked:
        return await to_thread(read, find)

    return await service.finetuned.asking(service.offered, owner_of(request), expires, ask)


async def ordered(request: Request, asked: FinetuneAsked, content: bytes, key: str | None, expires: float) -> Job:
    """Has an order paid for and written down, once for an idempotency key; `content` is what was sent."""
    service = service_of(request.scope)
    security = security_of(request.scope)
    pay = partial(security.charge, request.state.principal, asked.num_points, asked.order.max_steps)
    new = service.desk.new(FINETUNE, owner_of(request), asked.content, key, sent=content)
    return await service.desk.order(new, asked.order, asked.frequency, pay, expires)


@router.get("/finetuned")
async def finetuned(request: Request) -> TunedList:
    """Lists the models that the key that asks has fine-tuned, by name."""
    return TunedList(models=[told(one) for one in await models_of(request)])


@router.get("/finetuned/{name}", responses=openapi.problems(404))
async def finetuned_model(request: Request, name: Name) -> TunedModel:
    """Describes a model that the key that asks has fine-tuned."""
    return told(await model_of(request, name))


@router.delete("/finetuned/{name}", status_code=204, response_class=Response, responses=openapi.problems(404))
async def delete(request: Request, name: Name) -> Response:
    """Deletes a model that the key that asks has fine-tuned. A worker takes it out of the registry soon after."""
    await delete_model(request, name)
    return Response(status_code=204)


async def models_of(request: Request) -> list[Tuned]:
    """Gives the models that the key that asks has fine-tuned, by name."""
    owner = owner_of(request)
    return await service_of(request.scope).desk.ask(lambda jobs: jobs.models.of_owner(owner), expires_of(request))


async def model_of(request: Request, name: str) -> Tuned:
    """Gives one of them; UnknownModel."""
    found = await service_of(request.scope).desk.tuned(name, owner_of(request), expires_of(request))
    if found is None:
        raise UnknownModel(_NONE)
    return found


async def delete_model(request: Request, name: str) -> None:
    """Deletes one of them; UnknownModel."""
    service, owner = service_of(request.scope), owner_of(request)
    service.finetuned.forget(name, owner)
    if not await service.desk.ask(lambda jobs: jobs.models.delete(name, owner), expires_of(request)):
        raise UnknownModel(_NONE)
