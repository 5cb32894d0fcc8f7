"""The OpenAPI document: adds the request schema that routes read by hand, and the problems they answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.errors import MEDIA_TYPE
from service.schemas import ForecastReply, ForecastRequest, Problem

FORECAST, LINES = "/v1/forecast", "application/x-ndjson"

_REFERENCE = "#/components/schemas/{model}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route that may answer with these problems."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def _forecast_operation() -> dict[str, Any]:
    """Describes POST /v1/forecast, whose endpoint is plain ASGI."""
    answers = problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)
    whole = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ForecastReply")}}}
    lines = {
        LINES: {"schema": {"type": "string", "description": "The head of the reply, then a line for each series."}}
    }
    seconds = {"schema": {"type": "integer"}, "description": "Seconds after which to come again."}
    for status in ("429", "503"):
        answers[status] = {**answers.pop(int(status)), "headers": {"Retry-After": seconds}}
    return {
        "tags": ["forecast"],
        "summary": "Forecast",
        "description": "Forecasts each series of the request from its own history.",
        "operationId": "forecast",
        "parameters": [
            {
                "name": "X-Request-Deadline-Ms",
                "in": "header",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
                "description": "After this time nobody waits for the answer any more.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ForecastRequest")}}},
        },
        "responses": {"200": {"description": "Forecasts", "content": {**whole, **lines}}, **answers},
    }


def install(app: FastAPI) -> None:
    """Makes the app describe itself with those schemas."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _, extra = models_json_schema(
                [(ForecastRequest, "validation"), (ForecastReply, "serialization"), (Problem, "serialization")],
                ref_template=_REFERENCE,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(extra["$defs"])
            document["paths"][FORECAST] = {"post": _forecast_operation()}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]
