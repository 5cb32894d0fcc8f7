"""What a request says, and how it is written."""

from __future__ import annotations

from json import JSONDecodeError

from service.errors.base import ServiceError


class InvalidJson(ServiceError):
    """The body is not JSON: NaN, Infinity, bad UTF-8 and excessive depth are not JSON either."""

    status, code = 400, "invalid-json"

    @classmethod
    def at(cls, error: JSONDecodeError) -> InvalidJson:
        """Says what the reader stumbled over, and at which character."""
        return cls(f"the body is not JSON: {error.msg} at character {error.pos}")


class InvalidTable(ServiceError):
    """The body is no Arrow IPC stream or no Parquet file, or is damaged."""

    status, code = 400, "invalid-table"


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


class InvalidHeader(ServiceError):
    """A header of the request has a value that cannot be obeyed."""

    status, code = 400, "invalid-header"
