"""Problem details, RFC 9457: how the service, and whoever does its jobs, tell what went wrong."""

from __future__ import annotations

from typing import Any

_MAX_DETAIL = 500


def problem_details(code: str, detail: str, status: int, request_id: str | None = None) -> dict[str, Any]:
    """Gives a problem: `type` is stable, `detail` is for people; `status` is that of HTTP."""
    return {
        "type": f"urn:forecaster:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail[:_MAX_DETAIL],
        "request_id": request_id,
    }
