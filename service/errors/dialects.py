"""How the dialects say what went wrong: the same problems, in the form that clients of a protocol know.

Fields that cannot be used are 400 there, which is what their servers answer; no other status is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

INVOCATIONS, PING, HEALTH, VERSION = "/invocations", "/ping", "/health", "/version"
OPEN_INFERENCE = "/oip"

Problem = Mapping[str, Any]  # the body of RFC 9457

_OF_MLFLOW = frozenset({INVOCATIONS, PING, HEALTH, VERSION})
_BAD_FIELDS = 422
_MLFLOW_CODES: Mapping[int, str] = MappingProxyType(
    {
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "RESOURCE_DOES_NOT_EXIST",
        422: "INVALID_PARAMETER_VALUE",
        429: "REQUEST_LIMIT_EXCEEDED",
        499: "CANCELLED",
        500: "INTERNAL_ERROR",
        503: "TEMPORARILY_UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
)


def said(path: str, problem: Problem) -> tuple[int, dict[str, str]] | None:
    """Gives the status and the body for a problem of a dialect's route; None where the path is of no dialect."""
    write = _writer(path)
    if write is None:
        return None
    status: int = problem["status"]
    return 400 if status == _BAD_FIELDS else status, write(problem)


def _writer(path: str) -> Callable[[Problem], dict[str, str]] | None:
    if path in _OF_MLFLOW:
        return _for_mlflow
    return _for_open_inference if f"{path}/".startswith(f"{OPEN_INFERENCE}/") else None


def _for_mlflow(problem: Problem) -> dict[str, str]:
    return {"error_code": _MLFLOW_CODES.get(problem["status"], "BAD_REQUEST"), "message": _sentence(problem)}


def _for_open_inference(problem: Problem) -> dict[str, str]:
    return {"error": _sentence(problem)}


def _sentence(problem: Problem) -> str:
    return f"{problem['code']}: {problem['detail']}"
