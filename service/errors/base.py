"""What every refusal has, and what HTTP is told of errors of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from forecaster.errors import DataError, ForecasterError, RequestError


class ServiceError(ForecasterError):
    """A request that cannot be answered; `status` and `headers` are what HTTP is told."""

    status = 500
    code = "internal"
    retry_after_seconds: int | None = None  # when to come again, where that may help
    headers: Mapping[str, str] = MappingProxyType({})


_STATUS: tuple[tuple[type[ForecasterError], int], ...] = ((DataError, 422), (RequestError, 422))


def status_of(error: ForecasterError) -> int:
    """Gives the HTTP status of an error raised on purpose."""
    if isinstance(error, ServiceError):
        return error.status
    return next((status for family, status in _STATUS if isinstance(error, family)), 500)
