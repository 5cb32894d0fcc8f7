"""What can go wrong with a request: the only home of status codes."""

from service.errors.access import BadDelivery, CostTooHigh, Forbidden, NotCounted, RateLimited, Unauthorized
from service.errors.base import ServiceError, status_of
from service.errors.capacity import DeadlineExceeded, Draining, ModelNotFinite, Overloaded, Stuck, TooManyConnections
from service.errors.content import (
    BodyTooLarge,
    InvalidEncoding,
    InvalidHeader,
    InvalidJson,
    InvalidTable,
    NotAcceptable,
    UnsupportedMediaType,
)
from service.errors.fields import MAX_FIELDS, InvalidFields, MissingCovariate
from service.errors.found import (
    CannotReplay,
    LedgerDown,
    LedgerFull,
    NotReady,
    UnknownForecast,
    UnknownModel,
    VersionUnavailable,
)
from service.errors.framing import (
    AmbiguousLength,
    BodyIncomplete,
    ClientGone,
    HeadTooLarge,
    InvalidHost,
    InvalidHttp,
    InvalidTarget,
    RequestTooSlow,
    TargetTooLong,
)

__all__ = [
    "MAX_FIELDS",
    "AmbiguousLength",
    "BadDelivery",
    "BodyIncomplete",
    "BodyTooLarge",
    "CannotReplay",
    "ClientGone",
    "CostTooHigh",
    "DeadlineExceeded",
    "Draining",
    "Forbidden",
    "HeadTooLarge",
    "InvalidEncoding",
    "InvalidFields",
    "InvalidHeader",
    "InvalidHost",
    "InvalidHttp",
    "InvalidJson",
    "InvalidTable",
    "InvalidTarget",
    "LedgerDown",
    "LedgerFull",
    "MissingCovariate",
    "ModelNotFinite",
    "NotAcceptable",
    "NotCounted",
    "NotReady",
    "Overloaded",
    "RateLimited",
    "RequestTooSlow",
    "ServiceError",
    "Stuck",
    "TargetTooLong",
    "TooManyConnections",
    "Unauthorized",
    "UnknownForecast",
    "UnknownModel",
    "UnsupportedMediaType",
    "VersionUnavailable",
    "status_of",
]
