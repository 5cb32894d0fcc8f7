"""What can go wrong with a request: the only home of status codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from forecaster.errors import DataError, ForecasterError, RequestError
from service.schemas import TIME_KINDS

MAX_FIELDS = 20
_MAX_PATH, _MAX_MESSAGE = 200, 200
_MESSAGES = {
    "extra_forbidden": "is unknown",
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "string_pattern_mismatch": "is not an ISO 8601 time",
}


class ServiceError(ForecasterError):
    """A request that cannot be answered; `status` and `headers` are what HTTP is told."""

    status = 500
    code = "internal"
    retry_after_seconds: int | None = None  # when to come again, where that may help
    headers: Mapping[str, str] = MappingProxyType({})


class Unauthorized(ServiceError):
    """No key, or none that is good; the answer does not say which, the log does."""

    status, code = 401, "unauthorized"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class BadDelivery(Unauthorized):
    """The delivery of a webhook is not signed, not signed by our secret, too old or not the first of its id."""

    code = "bad-delivery"
    headers = MappingProxyType({"WWW-Authenticate": "MLflow-Signature"})


class Forbidden(ServiceError):
    """The key is good, but not for this."""

    status, code = 403, "missing-scope"


class RateLimited(ServiceError):
    """Too much in too short a time; a later try may do."""

    status, code = 429, "rate-limited"

    def __init__(self, message: str, wait_seconds: float, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = max(1, math.ceil(wait_seconds))


class CostTooHigh(ServiceError):
    """The request alone costs more than its key may spend at once: no wait would help."""

    status, code = 413, "cost-too-high"


class InvalidJson(ServiceError):
    """The body is not JSON: NaN, Infinity, bad UTF-8 and excessive depth are not JSON either."""

    status, code = 400, "invalid-json"


class InvalidTable(ServiceError):
    """The body is no Arrow IPC stream or no Parquet file, or is damaged."""

    status, code = 400, "invalid-table"


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


class ClientGone(ServiceError):
    """The client closed the connection before it was answered; nobody reads this."""

    status, code = 499, "client-gone"


class InvalidEncoding(ServiceError):
    """The body is not what its content encoding says."""

    status, code = 400, "invalid-encoding"


class BodyTooLarge(ServiceError):
    """The body exceeds the limit; reading stopped there."""

    status, code = 413, "body-too-large"


class NotAcceptable(ServiceError):
    """The reply is wanted in a form that this service cannot write."""

    status, code = 406, "not-acceptable"


class UnsupportedMediaType(ServiceError):
    """The body is declared as, or is, something that is not read here."""

    status, code = 415, "unsupported-media-type"


class InvalidFields(ServiceError):
    """Fields are missing, unknown, of the wrong type or out of range; `fields` says which."""

    status, code = 422, "invalid-fields"

    def __init__(self, fields: Sequence[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{field['field']}: {field['message']}" for field in fields[:3]))
        self.fields = list(fields[:MAX_FIELDS])

    @classmethod
    def of(cls, field: str, message: str) -> InvalidFields:
        """Names one field, such as series.0.target, and what is wrong with it."""
        return cls([{"field": field[:_MAX_PATH], "message": message[:_MAX_MESSAGE]}])

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidFields:
        """Names fields and reasons, and never repeats the input."""
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        return cls([_field(problem) for problem in problems[:MAX_FIELDS]])


def _field(problem: ErrorDetails) -> dict[str, str]:
    path = ".".join(str(part) for part in problem["loc"] if part not in TIME_KINDS) or "body"
    message = _MESSAGES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return {"field": path[:_MAX_PATH], "message": message[:_MAX_MESSAGE]}


class MissingCovariate(InvalidFields):
    """A series lacks a covariate that the model reads; `fields` says which."""

    code = "missing-covariate"


class InvalidHeader(ServiceError):
    """A header of the request has a value that cannot be obeyed."""

    status, code = 400, "invalid-header"


class UnknownModel(ServiceError):
    """No model of that name is served."""

    status, code = 404, "unknown-model"


class NotReady(ServiceError):
    """No verified model is loaded yet."""

    status, code = 503, "not-ready"
    retry_after_seconds = 5


class Overloaded(ServiceError):
    """More work waits than can be done in time; nothing of the request was computed."""

    status, code = 503, "overloaded"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class LedgerFull(ServiceError):
    """The journal of the ledger takes nothing in: it is full, or cannot be written."""

    status, code = 503, "ledger-full"
    retry_after_seconds = 10


class LedgerDown(ServiceError):
    """The database of the ledger does not answer; forecasts are given, and kept, all the same."""

    status, code = 503, "ledger-down"
    retry_after_seconds = 10


class VersionUnavailable(ServiceError):
    """A version that is not in service cannot be loaded: the registry has it no more, or is down."""

    status, code = 503, "version-unavailable"
    retry_after_seconds = 30


class CannotReplay(ServiceError):
    """A forecast cannot be computed again as it was: a setting is another one now."""

    status, code = 409, "cannot-replay"


class UnknownForecast(ServiceError):
    """No forecast of that id is kept."""

    status, code = 404, "unknown-forecast"


class Stuck(ServiceError):
    """The inference thread does not come back: whoever watches the process should start it anew."""

    status, code = 503, "stuck"
    retry_after_seconds = 10


class DeadlineExceeded(ServiceError):
    """The request was not answered in the time that it, or the service, allows."""

    status, code = 504, "deadline-exceeded"


class Draining(ServiceError):
    """This process is about to end and takes on nothing more."""

    status, code = 503, "draining"
    retry_after_seconds = 2


class TooManyConnections(ServiceError):
    """As many connections are open as may be."""

    status, code = 503, "too-many-connections"
    retry_after_seconds = 2


class ModelNotFinite(ServiceError):
    """The model answered with a number that is not finite; the answer is withheld."""

    status, code = 500, "model-not-finite"


_STATUS: tuple[tuple[type[ForecasterError], int], ...] = ((DataError, 422), (RequestError, 422))


def status_of(error: ForecasterError) -> int:
    """Gives the HTTP status of an error raised on purpose."""
    if isinstance(error, ServiceError):
        return error.status
    return next((status for family, status in _STATUS if isinstance(error, family)), 500)
