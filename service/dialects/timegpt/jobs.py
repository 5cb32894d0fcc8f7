"""Jobs as TimeGPT's clients know them: they are kept, done and cancelled as all others, and told of in one reply."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import orjson
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from forecaster.ledger.finetune_order import FINETUNE
from forecaster.ledger.job import Job, JobState
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.app_state import service_of
from service.dialects.timegpt.kinds import KIND_OF, KINDS, AnyTask, TaskName
from service.dialects.timegpt.schemas import JobCancelled, JobGiven, JobTaken
from service.errors import InvalidFields, UnknownJob
from service.requests.media import JSON
from service.routes.jobs import JobId, cancelled, expires_of, owner_of, taken_in

_NEW: tuple[str, ...] = get_args(TaskName)
_ANY: tuple[str, ...] = get_args(AnyTask)

router = APIRouter(
    prefix="/v2",
    tags=["timegpt"],
    dependencies=[requires(Scope.FORECAST)],
    responses=openapi.problems(401, 403, 404, 422, 429, 503, 504),
)


def _one_of(tasks: tuple[str, ...]) -> Any:
    """Describes the place of a task in a path."""
    return Path(alias="task", json_schema_extra={"enum": list(tasks)})


async def new_task(name: Annotated[str, _one_of(_NEW)]) -> TaskName:
    """Gives the task of which a job is to begin; InvalidFields for one that is not offered."""
    return cast(TaskName, _offered(name, _NEW))


async def any_task(name: Annotated[str, _one_of(_ANY)]) -> AnyTask:
    """Gives the task that a job may be of; InvalidFields for one that is not offered."""
    return cast(AnyTask, _offered(name, _ANY))


def _offered(name: str, tasks: tuple[str, ...]) -> str:
    if name not in tasks:
        raise InvalidFields.of("path.task", f"this task is not offered here, these are: {', '.join(tasks)}")
    return name


@router.post(
    "/{task}/async",
    status_code=202,
    responses=openapi.timed_problems(400, 404, 408, 413, 415, 429, 503, 504),
    openapi_extra=openapi.job_operation("ForecastJob", "CrossValidationJob", "OnlineJob"),
)
async def begin(request: Request, task: Annotated[TaskName, Depends(new_task)]) -> JobTaken:
    """Takes in a request to the route of that task. What is wrong with it is said at once; its answer comes later."""
    kind = KIND_OF[task]
    return JobTaken(job_id=(await taken_in(request, kind, KINDS[kind])).job_id)


@router.get("/{task}/jobs/{job_id}", response_model=JobGiven)
async def job(request: Request, task: Annotated[AnyTask, Depends(any_task)], job_id: JobId) -> Response:
    """Says how far a job is, with what it came to once it is done."""
    service, owner, expires = service_of(request.scope), owner_of(request), expires_of(request)
    found = await service.desk.job(job_id, owner, expires)
    if found.kind != KIND_OF[task]:
        raise UnknownJob(f"this job is none of {task}")
    content = None
    if found.state is JobState.SUCCEEDED:
        content = await service.desk.ask(lambda jobs: jobs.result(job_id, owner), expires)
    return Response(_told(found, content), media_type=JSON)


@router.post("/async/jobs/{job_id}/cancel", responses=openapi.problems(409))
async def cancel(request: Request, job_id: JobId) -> JobCancelled:
    """Cancels a job that is not done."""
    return JobCancelled(job_id=(await cancelled(request, job_id)).job_id, status="cancelled")


def _told(job: Job, content: bytes | None) -> bytes:
    """Writes what is told of a job. A reply in it has the bytes that the route answers with."""
    result: Any = None
    if content is not None:
        result = orjson.Fragment(content)
        if job.kind == FINETUNE:
            result = {"finetuned_model_id": orjson.loads(content)["model"]}
    return orjson.dumps({"job_id": job.job_id, "status": job.state.value, "result": result, "error": job.problem})
