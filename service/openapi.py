"""The OpenAPI document: adds the request schema that routes read by hand, and the problems they answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.errors import MEDIA_TYPE
from service.schemas import ForecastRequest, Problem

_REFERENCE = "#/components/schemas/{model}"

FORECAST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ForecastRequest")}}},
    }
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route that may answer with these problems."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def install(app: FastAPI) -> None:
    """Makes the app describe itself with those schemas."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _, extra = models_json_schema(
                [(ForecastRequest, "validation"), (Problem, "serialization")], ref_template=_REFERENCE
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(extra["$defs"])
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]
