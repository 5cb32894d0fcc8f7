"""Work that is not done, or not in time."""

from __future__ import annotations

from service.errors.base import ServiceError


class Overloaded(ServiceError):
    """More work waits than can be done in time; nothing of the request was computed."""

    status, code = 503, "overloaded"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


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
