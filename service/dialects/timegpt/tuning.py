"""Fine-tuning as TimeGPT's clients ask for it: at once, which here means that an order is waited for, or as a job."""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import partial

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from forecaster.ledger.job import Job, JobState
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.dialects.timegpt.finetuning import finetune_asked, told
from service.dialects.timegpt.operations import FINETUNE
from service.dialects.timegpt.schemas import FinetunedModel, FinetunedModels, JobTaken, Trained
from service.errors import InvalidFields, NameTaken, StillTraining, TooManyModels, TrainingCancelled
from service.finetune.asked import FinetuneAsked
from service.problems import problem_again
from service.requests.connection import while_connected
from service.requests.media import JSON
from service.routes.finetune import Name, delete_model, known, model_of, models_of, ordered, understood
from service.routes.jobs import content_of, expires_of, idempotency_key, owner_of

router = APIRouter(
    tags=["timegpt"],
    dependencies=[requires(Scope.FINETUNE)],
    responses=openapi.problems(401, 403, 422, 429, 503, 504),
)

_LOOK_SECONDS = 0.5
_LAST_SECONDS = 0.5  # of a request's time, that its answer may take


@router.post(FINETUNE, include_in_schema=False)
async def finetune(request: Request) -> Response:
    """Orders a model and waits until it is trained; StillTraining where that takes longer than the request may.

    Its client sends the same body again then, so the body is the key by which a training that goes on is known.
    """
    expires = expires_of(request)
    content = await content_of(request, expires)
    async with while_connected(request.receive):
        asked = await _understood(request, content, expires)
        job = await _waited_for(request, asked, content, expires)
        if job.state is JobState.CANCELLED:
            raise TrainingCancelled("the training was cancelled")
        if job.problem is not None:
            return problem_again(request.scope, job.problem)
        name = await _name_of(request, job, expires)
    return Response(Trained(finetuned_model_id=name).model_dump_json(), media_type=JSON)


@router.post(
    f"{FINETUNE}/async",
    status_code=202,
    responses=openapi.timed_problems(400, 404, 408, 413, 415, 429, 503, 504),
    openapi_extra=openapi.job_operation("FinetuneSent"),
)
async def begin(request: Request) -> JobTaken:
    """Orders a model. Its job tells the name of the model once it is trained."""
    expires, key = expires_of(request), idempotency_key(request.headers)
    content = await content_of(request, expires)
    job = await known(request, content, key, expires)
    if job is None:
        job = await _ordered(request, await _understood(request, content, expires), content, key, expires)
    return JobTaken(job_id=job.job_id)


@router.get("/v2/finetuned_models")
async def finetuned_models(request: Request) -> FinetunedModels:
    """Lists the models that the key that asks has fine-tuned, by name."""
    return FinetunedModels(finetuned_models=[told(one) for one in await models_of(request)])


@router.get("/v2/finetuned_models/{name}", responses=openapi.problems(404))
async def finetuned_model(request: Request, name: Name) -> FinetunedModel:
    """Describes a model that the key that asks has fine-tuned."""
    return told(await model_of(request, name))


@router.delete("/v2/finetuned_models/{name}", status_code=204, response_class=Response, responses=openapi.problems(404))
async def delete(request: Request, name: Name) -> Response:
    """Deletes a model that the key that asks has fine-tuned."""
    await delete_model(request, name)
    return Response(status_code=204)


async def _understood(request: Request, content: bytes, expires: float) -> FinetuneAsked:
    return await understood(request, partial(finetune_asked, service_of(request.scope), content), expires)


async def _ordered(request: Request, asked: FinetuneAsked, content: bytes, key: str | None, expires: float) -> Job:
    """Writes an order down. That there can be no such model is no conflict, which the SDK would try again."""
    try:
        return await ordered(request, asked, content, key, expires)
    except (NameTaken, TooManyModels) as error:
        raise InvalidFields.of("output_model_id", str(error)) from error


async def _waited_for(request: Request, asked: FinetuneAsked, content: bytes, expires: float) -> Job:
    """Gives the job of an order when it has ended: one that the same body began, unless that came to nothing."""
    key = hashlib.sha256(content).hexdigest()
    job = await _ordered(request, asked, content, key, expires)
    while job.state.is_final and not await _is_of_use(request, job, expires):
        key = f"{key[:64]}-{job.job_id}"
        job = await _ordered(request, asked, content, key, expires)
    desk, owner = service_of(request.scope).desk, owner_of(request)
    while not job.state.is_final:
        if time.monotonic() + _LAST_SECONDS > expires:
            raise StillTraining(
                f"the training goes on as job {job.job_id}: send the same again to wait for it, "
                "or let jobs.finetune() begin what takes longer"
            )
        await asyncio.sleep(_LOOK_SECONDS)
        job = await desk.job(job.job_id, owner, expires)
    return job


async def _is_of_use(request: Request, job: Job, expires: float) -> bool:
    """Says whether the model of an earlier training is there."""
    if job.state is not JobState.SUCCEEDED:
        return False
    name = await _name_of(request, job, expires)
    found = await service_of(request.scope).desk.tuned(name, owner_of(request), expires)
    return found is not None and found.job_id == job.job_id


async def _name_of(request: Request, job: Job, expires: float) -> str:
    """Gives the name of the model that a job trained."""
    owner = owner_of(request)
    content = await service_of(request.scope).desk.ask(lambda jobs: jobs.result(job.job_id, owner), expires)
    name: str = orjson.loads(content or b"{}").get("model", "")
    return name
