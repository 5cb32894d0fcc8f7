"""Who asks, and how much they may ask for."""

from __future__ import annotations

import math
from types import MappingProxyType

from service.errors.base import ServiceError


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


class NotCounted(ServiceError):
    """What is spent is counted by key, and there are none."""

    status, code = 404, "not-counted"
