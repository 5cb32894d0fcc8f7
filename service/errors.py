"""Problems as HTTP sees them: the only home of status codes. Bodies follow RFC 9457."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from forecaster.errors import DataError, ForecasterError, RequestError
from service.schemas import TIME_KINDS

MEDIA_TYPE = "application/problem+json"
_MAX_DETAIL = 500
_MAX_FIELDS = 20
_MAX_PATH, _MAX_MESSAGE = 200, 200
_MESSAGES = {
    "extra_forbidden": "is unknown",
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "string_pattern_mismatch": "is not an ISO 8601 time",
}


class ServiceError(ForecasterError):
    """A request that cannot be answered; `status` is what HTTP is told."""

    status = 500
    code = "internal"


class InvalidJson(ServiceError):
    """The body is not JSON: NaN, Infinity, bad UTF-8 and excessive depth are not JSON either."""

    status, code = 400, "invalid-json"


class AmbiguousLength(ServiceError):
    """The request says in two ways where its body ends; a proxy might believe the other one."""

    status, code = 400, "ambiguous-length"


class InvalidHttp(ServiceError):
    """What came is no HTTP/1.0 or HTTP/1.1 request, or one that servers along the way might read differently."""

    status, code = 400, "invalid-http"


class InvalidHost(ServiceError):
    """The request names no host, several, or something that is no name of one."""

    status, code = 400, "invalid-host"


class InvalidTarget(ServiceError):
    """The request is for something else than a path of this server."""

    status, code = 400, "invalid-target"


class TargetTooLong(ServiceError):
    """The path and query exceed the limit."""

    status, code = 414, "target-too-long"


class HeadTooLarge(ServiceError):
    """The request line and headers exceed the limit, in bytes or in number."""

    status, code = 431, "head-too-large"


class RequestTooSlow(ServiceError):
    """The request did not arrive within its deadline; reading stopped there."""

    status, code = 408, "request-too-slow"


class BodyIncomplete(ServiceError):
    """The client closed the connection within the body; nobody reads the answer, but it is counted as no fault."""

    status, code = 400, "body-incomplete"


class BodyTooLarge(ServiceError):
    """The body exceeds the limit; reading stopped there."""

    status, code = 413, "body-too-large"


class UnsupportedMediaType(ServiceError):
    """The body is declared as something other than plain UTF-8 JSON."""

    status, code = 415, "unsupported-media-type"


class InvalidFields(ServiceError):
    """Fields are missing, unknown, of the wrong type or out of range; `fields` says which."""

    status, code = 422, "invalid-fields"

    def __init__(self, fields: Sequence[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{field['field']}: {field['message']}" for field in fields[:3]))
        self.fields = list(fields[:_MAX_FIELDS])

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidFields:
        """Names fields and reasons, and never repeats the input."""
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        return cls([_field(problem) for problem in problems[:_MAX_FIELDS]])


def _field(problem: ErrorDetails) -> dict[str, str]:
    path = ".".join(str(part) for part in problem["loc"] if part not in TIME_KINDS) or "body"
    message = _MESSAGES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return {"field": path[:_MAX_PATH], "message": message[:_MAX_MESSAGE]}


class CovariatesNeeded(ServiceError):
    """The model reads covariates, which requests do not carry."""

    status, code = 422, "missing-covariate"


class UnknownModel(ServiceError):
    """No model of that name is served."""

    status, code = 404, "unknown-model"


class NotReady(ServiceError):
    """No verified model is loaded yet."""

    status, code = 503, "not-ready"


class Draining(ServiceError):
    """This process is about to end and takes on nothing more."""

    status, code = 503, "draining"


class TooManyConnections(ServiceError):
    """As many connections are open as may be."""

    status, code = 503, "too-many-connections"


class ModelNotFinite(ServiceError):
    """The model answered with a number that is not finite; the answer is withheld."""

    status, code = 500, "model-not-finite"


_STATUS: tuple[tuple[type[ForecasterError], int], ...] = ((DataError, 422), (RequestError, 422))


def status_of(error: ForecasterError) -> int:
    """Gives the HTTP status of an error raised on purpose."""
    if isinstance(error, ServiceError):
        return error.status
    return next((status for family, status in _STATUS if isinstance(error, family)), 500)


def problem(status: int, code: str, detail: str, fields: Sequence[dict[str, str]] = ()) -> Response:
    """Gives an RFC 9457 reply: `type` is stable, `detail` is for people, `errors` lists fields."""
    body = {
        "type": f"urn:forecaster:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail[:_MAX_DETAIL],
    }
    if fields:
        body["errors"] = list(fields)
    headers = {"Retry-After": "5"} if status == NotReady.status else {}
    return Response(orjson.dumps(body), status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem."""

    @app.exception_handler(ForecasterError)
    async def on_purpose(_: Request, error: ForecasterError) -> Response:
        return problem(status_of(error), error.code, str(error), getattr(error, "fields", ()))

    @app.exception_handler(RequestValidationError)
    async def query(_: Request, error: RequestValidationError) -> Response:
        fields = [{"field": ".".join(map(str, e["loc"]))[:200], "message": str(e["msg"])[:200]} for e in error.errors()]
        return problem(422, InvalidFields.code, "the query is not valid", fields[:_MAX_FIELDS])

    @app.exception_handler(HTTPException)
    async def routing(_: Request, error: HTTPException) -> Response:
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        reply = problem(error.status_code, code, str(error.detail))
        reply.headers.update(error.headers or {})
        return reply

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> Response:
        return problem(500, "internal", "an unexpected error occurred; it has been logged")
