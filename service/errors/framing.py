"""What is no HTTP request, or none that arrives: refused before anything is read of it."""

from __future__ import annotations

from service.errors.base import ServiceError


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
