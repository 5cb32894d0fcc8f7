"""The OpenAPI document: adds the request schema that routes read by hand, and the problems they answer with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.explain.schemas import ExplainRequest
from service.finetune.schemas import FinetuneRequest
from service.ledger.schemas import ActualsIn
from service.problems import MEDIA_TYPE
from service.report.schemas import ReportRequest
from service.requests.media import ARROW, JSON, LINES, PARQUET
from service.schemas import ForecastOptions, ForecastReply, ForecastRequest, Problem, Schema
from service.tables.query import OPTIONS

FORECAST = "/v1/forecast"

_REFERENCE = "#/components/schemas/{model}"
_EDGE = (400, 408, 414, 431, 503)  # what any request may get before a route sees it
_REQUEST_ID = {"schema": {"type": "string"}, "description": "The id of the request, which logs name too."}
_TIMING = {"schema": {"type": "string"}, "description": "Milliseconds by stage; not of replies in lines."}
_OF_TABLES = {
    "X-Model": {"schema": {"type": "string"}, "description": "Model and version, as `sales/7`; of tables alone."},
    "X-Forecast-Id": {"schema": {"type": "string"}, "description": "By which it can be fetched; of tables alone."},
    "X-Degraded": {"schema": {"type": "string"}, "description": "Why a fallback answered; of tables alone."},
    "X-Adaption-Revision": {"schema": {"type": "string"}, "description": "Number of the factors; of tables alone."},
}
OF_CALLERS: list[dict[str, Any]] = [
    {
        "name": "X-Request-Deadline-Ms",
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "description": "After this time, from the first byte of the request on, nobody waits for the answer.",
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "Comes back if it has at most 64 letters, digits, dots, dashes and underscores.",
    },
]
_TABLE_IN = (
    "A long table: unique_id, ds, y and the covariates that the model reads, by name. Rows after the last value of a "
    "series hold the covariates known ahead. The options stand in the query."
)
_TABLE_OUT = (
    "A long table: unique_id, ds, a column for each quantile level, lower_80 and upper_80 for each interval. The rest "
    "of what a reply says is JSON under `forecast` in the metadata of its schema."
)
_SERIES = {"id": "shop 1", "start": "2024-01-01T00:00:00", "target": [12.0, 15.5, None, 14.0, 13.5, 16.0]}
_EXAMPLE = {"frequency": "h", "horizon": 3, "quantiles": [0.1, 0.5, 0.9], "series": [_SERIES]}
_EXPLAIN_EXAMPLE = {"frequency": "h", "step": 1, "attention": True, "series": [_SERIES]}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route that may answer with these problems."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def json_body(schema: str) -> dict[str, Any]:
    """Gives what a route that reads its body by hand adds to its operation; `install` knows the schema."""
    content = {JSON: {"schema": {"$ref": _REFERENCE.format(model=schema)}}}
    return {"parameters": OF_CALLERS, "requestBody": {"required": True, "content": content}}


def timed_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives those of a route that may say when to come again."""
    answers = problems(*statuses)
    seconds = {"schema": {"type": "integer"}, "description": "Seconds after which to come again."}
    for status in (429, 503):
        answers[status] = {**answers[status], "headers": {"Retry-After": seconds}}
    return answers


def explain_operation() -> dict[str, Any]:
    """Describes what POST /v1/explain reads by hand."""
    content = {
        "schema": {"$ref": _REFERENCE.format(model="ExplainRequest")},
        "examples": {"hourly": {"summary": "The first hour of an hourly model", "value": _EXPLAIN_EXAMPLE}},
    }
    return {"parameters": OF_CALLERS, "requestBody": {"required": True, "content": {JSON: content}}}


def job_operation(*schemas: str) -> dict[str, Any]:
    """Describes what a route reads by hand that takes in a job whose body is of one of these schemas."""
    kinds = [{"$ref": _REFERENCE.format(model=name)} for name in schemas]
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "A request that is sent again with the same one is taken in once.",
    }
    content = {JSON: {"schema": {"anyOf": kinds}}}
    return {"parameters": [key, *OF_CALLERS], "requestBody": {"required": True, "content": content}}


def _tables(description: str) -> dict[str, Any]:
    """Describes the two forms of a table."""
    schema = {"type": "string", "format": "binary", "description": description}
    return {media_type: {"schema": schema} for media_type in (ARROW, PARQUET)}


def options_in_query(names: Sequence[str], where: str) -> list[dict[str, Any]]:
    """Describes options of a forecast in the query, which is their place `where` the body has none for them."""
    schemas = ForecastOptions.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "explode": False,
            "schema": {key: value for key, value in schemas[name].items() if key != "description"},
            "description": f"{where} {schemas[name].get('description', '')}".strip(),
        }
        for name in names
    ]


def _forecast_operation() -> dict[str, Any]:
    """Describes POST /v1/forecast, whose endpoint is plain ASGI."""
    answers = timed_problems(400, 401, 403, 404, 406, 408, 413, 415, 422, 429, 500, 503, 504)
    whole = {JSON: {"schema": {"$ref": _REFERENCE.format(model="ForecastReply")}}}
    lines = {
        LINES: {"schema": {"type": "string", "description": "The head of the reply, then a line for each series."}}
    }
    return {
        "tags": ["forecast"],
        "summary": "Forecast",
        "description": "Forecasts each series of the request from its own history.",
        "operationId": "forecast",
        "security": [{"key": []}],
        "parameters": [
            *options_in_query(OPTIONS, "Where the body is a table."),
            *OF_CALLERS,
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {"$ref": _REFERENCE.format(model="ForecastRequest")},
                    "examples": {"hourly": {"summary": "One series of an hourly model", "value": _EXAMPLE}},
                },
                **_tables(_TABLE_IN),
            },
        },
        "responses": {
            200: {
                "description": "Forecasts",
                "content": {**whole, **lines, **_tables(_TABLE_OUT)},
                "headers": {"Server-Timing": _TIMING, **_OF_TABLES},
            },
            **answers,
        },
    }


@dataclass(frozen=True)
class Operation:
    """A route whose endpoint is plain ASGI: JSON of one schema is sent to it, and comes back of another."""

    path: str
    name: str
    description: str
    request: type[Schema]
    reply: type[Schema]
    example: dict[str, Any]
    tag: str = "forecast"
    job: type[Schema] | None = None  # what is sent to have it answered later, if that is another schema
    problems: tuple[int, ...] = ()  # statuses beyond those of a forecast

    def described(self) -> dict[str, Any]:
        """Gives what the document says of it."""
        request, reply = ({"$ref": _REFERENCE.format(model=one.__name__)} for one in (self.request, self.reply))
        example = {"summary": self.description, "value": self.example}
        return {
            "tags": [self.tag],
            "summary": self.name.replace("_", " ").capitalize(),
            "description": self.description,
            "operationId": self.name,
            "security": [{"key": []}],
            "parameters": OF_CALLERS,
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": request, "examples": {self.name: example}}},
            },
            "responses": {
                200: {
                    "description": self.name.capitalize(),
                    "content": {JSON: {"schema": reply}},
                    "headers": {"Server-Timing": _TIMING},
                },
                **timed_problems(400, 401, 403, 404, 408, *self.problems, 413, 415, 422, 429, 500, 503, 504),
            },
        }


def _complete(operation: dict[str, Any]) -> None:
    """Adds what holds of every answer: problems of the edge, and the id of the request."""
    responses = {str(status): dict(response) for status, response in operation["responses"].items()}
    edge = {str(status): response for status, response in problems(*_EDGE).items()}
    operation["responses"] = {**edge, **responses}
    for response in operation["responses"].values():
        response["headers"] = {**response.get("headers", {}), "X-Request-Id": _REQUEST_ID}


def install(app: FastAPI, operations: Sequence[Operation] = ()) -> None:
    """Makes the app describe itself with those schemas, and with what FastAPI does not know of its `operations`."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _, extra = models_json_schema(
                [
                    (ForecastRequest, "validation"),
                    (ActualsIn, "validation"),
                    (ForecastReply, "serialization"),
                    (ExplainRequest, "validation"),
                    (FinetuneRequest, "validation"),
                    (ReportRequest, "validation"),
                    (Problem, "serialization"),
                    *((each.request, "validation") for each in operations),
                    *((each.reply, "serialization") for each in operations),
                    *((each.job, "validation") for each in operations if each.job is not None),
                ],
                ref_template=_REFERENCE,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(extra["$defs"])
            document["paths"][FORECAST] = {"post": _forecast_operation()}
            document["paths"].update({each.path: {"post": each.described()} for each in operations})
            for path in document["paths"].values():
                for operation in path.values():
                    _complete(operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]
