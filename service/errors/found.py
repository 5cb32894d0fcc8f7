"""What is asked for and is not there, or cannot be had now."""

from __future__ import annotations

from service.errors.base import ServiceError


class UnknownModel(ServiceError):
    """No model of that name is served."""

    status, code = 404, "unknown-model"


class NotReady(ServiceError):
    """No verified model is loaded yet."""

    status, code = 503, "not-ready"
    retry_after_seconds = 5


class VersionUnavailable(ServiceError):
    """A version that is not in service cannot be loaded: the registry has it no more, or is down."""

    status, code = 503, "version-unavailable"
    retry_after_seconds = 30


class UnknownForecast(ServiceError):
    """No forecast of that id is kept."""

    status, code = 404, "unknown-forecast"


class CannotReplay(ServiceError):
    """A forecast cannot be computed again as it was: a setting is another one now."""

    status, code = 409, "cannot-replay"


class LedgerFull(ServiceError):
    """The journal of the ledger takes nothing in: it is full, or cannot be written."""

    status, code = 503, "ledger-full"
    retry_after_seconds = 10


class LedgerDown(ServiceError):
    """The database of the ledger does not answer; forecasts are given, and kept, all the same."""

    status, code = 503, "ledger-down"
    retry_after_seconds = 10
