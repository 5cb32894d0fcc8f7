"""The headers of every answer: telemetry adds them to what the application says, and others to what they make whole."""

from __future__ import annotations

from service.request_id import HEADER

# No answer is to be kept, or read as anything else than it says.
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


def answer_headers(request_id: str) -> tuple[tuple[bytes, bytes], ...]:
    """Gives the headers of the answer to a request of this id."""
    return ((HEADER, request_id.encode("ascii")), *SAFE_HEADERS)
