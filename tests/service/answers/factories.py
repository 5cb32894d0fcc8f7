"""Requests for rolling forecasts of a wave, and what is answered to them."""

from __future__ import annotations

import math
from typing import Any

import httpx

WAVE = [10 + math.sin(step / 24 * 2 * math.pi) + 0.3 * math.sin(step * 1.7) for step in range(150)]


def request_of(*targets: list[float | None], **options: Any) -> dict[str, Any]:
    """A request to the hourly model for series of these values, named s0, s1, ..."""
    series = [
        {"id": f"s{number}", "start": "2024-01-01T00:00:00", "target": target} for number, target in enumerate(targets)
    ]
    return {"model": "waves", "series": series, **options}


def answer(service: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What is answered with 200."""
    reply = service.post(path, json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def assert_refused(reply: httpx.Response, code: str, field: str, said: str) -> None:
    """Holds a reply to be a problem of 422 that names a field ('' for none) and says so."""
    assert reply.status_code == 422, reply.text
    problem = reply.json()
    (error,) = problem.get("errors", [{"field": "", "message": problem["detail"]}])
    assert (problem["code"], error["field"]) == (code, field)
    assert said in error["message"]
