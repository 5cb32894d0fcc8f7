"""Jobs: requests that are answered later, whatever happens to the service meanwhile, and fetched then."""

from __future__ import annotations

from asyncio import to_thread
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.datastructures import Headers
from starlette.responses import Response

from forecaster.ledger.ids import ID
from forecaster.ledger.job import Job, JobState
from service import openapi
from service.access.guards import requires
from service.access.keys import Scope
from service.access.security import security_of
from service.app_state import service_of
from service.errors import InvalidHeader, JobCancelled, JobDone, JobNotDone
from service.jobs.kinds import KINDS, KindName, Understand
from service.jobs.schemas import JobList, JobOut, told
from service.problems import problem_again
from service.requests.body import decoded, refuse_all_but_json
from service.requests.connection import arrival, read_body
from service.requests.media import JSON
from service.requests.parameters import KNOWN_PARAMETERS
from service.routes.declared import RESULT, TAKEN_IN
from service.tables.query import refuse_options

IDEMPOTENCY_HEADER = "idempotency-key"
_LONGEST_KEY = 255

router = APIRouter(
    prefix="/v1/jobs",
    tags=["jobs"],
    dependencies=[requires(Scope.FORECAST)],
    responses=openapi.problems(401, 403, 422, 429, 503, 504),
)

# A job that failed is answered with the problem that its request would have been answered with.
_RESULT_ANSWERS = RESULT | openapi.problems(404, 409, 413, 500)

JobId = Annotated[str, Path(pattern=f"^{ID}$")]


class _IdInPath(StringConvertor):
    """An id, so that a path of this shape that asks for a job of a kind is another one."""

    regex = ID


class _KindInPath(StringConvertor):
    """A kind of jobs."""

    regex = "|".join(KINDS)


register_url_convertor("job_id", _IdInPath())
register_url_convertor("job_kind", _KindInPath())


@router.post(
    "/{kind:job_kind}",
    status_code=202,
    response_model=JobOut,
    responses=TAKEN_IN | openapi.timed_problems(400, 404, 408, 413, 415, 429, 503, 504),
    openapi_extra=openapi.job_operation("ForecastRequest", "BacktestRequest", "AnomalyRequest"),
)
async def begin(request: Request, kind: KindName) -> Response:
    """Takes in a request to the route of that name. What is wrong with it is said at once; its answer comes later."""
    return accepted(await taken_in(request, kind, KINDS[kind]))


@router.get("", dependencies=[KNOWN_PARAMETERS])
async def jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(pattern=f"^{ID}$", description="Only jobs older than this one.")] = None,
) -> JobList:
    """Lists the jobs of the key that asks, the newest first."""
    service, owner = service_of(request.scope), owner_of(request)
    found = await service.desk.ask(lambda jobs: jobs.of_owner(owner, limit, before), expires_of(request))
    return JobList(jobs=[told(job) for job in found], next=found[-1].job_id if len(found) == limit else None)


@router.get("/{job_id:job_id}", responses=openapi.problems(404))
async def job(request: Request, job_id: JobId) -> JobOut:
    """Says how far a job is."""
    service = service_of(request.scope)
    return told(await service.desk.job(job_id, owner_of(request), expires_of(request)))


@router.get("/{job_id}/result", response_class=Response, responses=_RESULT_ANSWERS)
async def result(request: Request, job_id: JobId) -> Response:
    """Gives what the request would have been answered with at once, byte for byte; a problem likewise."""
    service, owner = service_of(request.scope), owner_of(request)
    expires = expires_of(request)
    found = await service.desk.job(job_id, owner, expires)
    if found.state is JobState.CANCELLED:
        raise JobCancelled("the job was cancelled")
    if found.problem is not None:
        return problem_again(request.scope, found.problem)
    content = await service.desk.ask(lambda jobs: jobs.result(job_id, owner), expires)
    if content is None:
        raise JobNotDone(f"the job is {found.state.value}")
    return Response(content, media_type=JSON)


@router.post("/{job_id}/cancel", responses=openapi.problems(404, 409))
async def cancel(request: Request, job_id: JobId) -> JobOut:
    """Cancels a job that is not done. What is being computed for it ends a moment later, and is thrown away."""
    return told(await cancelled(request, job_id))


async def cancelled(request: Request, job_id: str) -> Job:
    """Cancels a job and gives it; UnknownJob, JobDone where there is nothing to cancel."""
    found = await service_of(request.scope).desk.cancel(job_id, owner_of(request), expires_of(request))
    if found.state is not JobState.CANCELLED:
        raise JobDone(f"the job has {found.state.value}")
    return found


async def taken_in(request: Request, kind: str, understand: Understand) -> Job:
    """Takes in a job whose request is the body: understood, paid for and written down, once for an idempotency key.

    One that is there already is given whatever has become of its model since.
    """
    service, owner, expires = service_of(request.scope), owner_of(request), expires_of(request)
    key = idempotency_key(request.headers)
    content = await content_of(request, expires)
    new = service.desk.new(kind, owner, content, key)
    known = await service.desk.known(new, expires)
    if known is not None:
        return known
    understood = await understand(service, content, owner, expires)
    security = security_of(request.scope)
    pay = partial(security.charge, request.state.principal, understood.points, understood.horizon)
    return await service.desk.take_in(new, pay, expires)


async def content_of(request: Request, expires: float) -> bytes:
    """Reads a body of JSON until `expires`, in monotonic time, and gives it without its encoding."""
    headers, settings = request.headers, service_of(request.scope).settings
    refuse_all_but_json(headers)
    refuse_options(request.scope["query_string"])
    body = await read_body(headers, request.receive, settings.max_body_bytes, expires)
    return await to_thread(decoded, headers, body, settings)


def accepted(job: Job) -> Response:
    """Gives the reply that a job was taken in."""
    where = {"Location": f"/v1/jobs/{job.job_id}"}
    return Response(told(job).model_dump_json(), 202, headers=where, media_type=JSON)


def owner_of(request: Request) -> str:
    """Gives whom jobs and fine-tuned models of the key that asks belong to."""
    owner: str = request.state.principal.owner
    return owner


def expires_of(request: Request) -> float:
    """Gives when a request has to be answered, in monotonic time."""
    return service_of(request.scope).admission.expires(request.headers, arrival(request.scope))


def idempotency_key(headers: Headers) -> str | None:
    """Gives the key by which a request that is sent again is known; InvalidHeader for one that cannot be used."""
    given = headers.getlist(IDEMPOTENCY_HEADER)
    if not given:
        return None
    if len(given) > 1 or not (1 <= len(given[0]) <= _LONGEST_KEY):
        raise InvalidHeader(f"{IDEMPOTENCY_HEADER} wants 1 to {_LONGEST_KEY} characters, once")
    return given[0]
