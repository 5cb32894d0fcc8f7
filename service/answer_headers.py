"""The headers of every answer: telemetry adds them to what the application says, and others to what they make whole."""

from __future__ import annotations

from collections.abc import Iterable

from service.request_id import HEADER

# No answer is to be kept, or read as anything else than it says.
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_SAFE_BUT_KEPT = SAFE_HEADERS[:1]


def answer_headers(request_id: str) -> tuple[tuple[bytes, bytes], ...]:
    """Gives the headers of the answer to a request of this id."""
    return ((HEADER, request_id.encode("ascii")), *SAFE_HEADERS)


def safe_headers_beside(said: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Gives the safe headers of an answer that says these itself: it may be kept only where it says for how long."""
    return _SAFE_BUT_KEPT if any(name == b"cache-control" for name, _ in said) else SAFE_HEADERS
