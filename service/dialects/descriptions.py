"""What the document of the interface says of the dialects: their bodies, and their own form of a problem."""

from __future__ import annotations

from typing import Any

from service.openapi import OF_CALLERS, options_in_query
from service.requests.media import CSV, JSON, PARQUET
from service.tables.query import OPTIONS

Responses = dict[int | str, dict[str, Any]]

_TEXT: dict[str, Any] = {"type": "string"}
_MLFLOW_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": _TEXT, "message": _TEXT},
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
_CELL = {"type": ["string", "number", "boolean", "null"]}
_RECORD = {"type": "object", "additionalProperties": _CELL}
_ROWS = {"type": "array", "items": {"type": "array", "items": _CELL}}
_SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "additionalProperties": False,
    "properties": {"columns": {"type": "array", "items": _TEXT}, "data": _ROWS, "index": {"type": "array"}},
}
_PARAMS = {"type": "object", "description": "model, horizon, quantiles and the other options of a forecast."}
_OF_RECORDS = {"type": "array", "items": _RECORD}
_TABLE = {
    "oneOf": [
        {
            "type": "object",
            "required": [name],
            "additionalProperties": False,
            "properties": {name: form, "params": _PARAMS},
        }
        for name, form in (("dataframe_split", _SPLIT), ("dataframe_records", _OF_RECORDS))
    ]
}
_EXAMPLE = {
    "dataframe_split": {
        "columns": ["unique_id", "ds", "y"],
        "data": [["a", f"2024-01-01T0{hour}:00:00", 10.0 + hour] for hour in range(6)],
    },
    "params": {"horizon": 3, "quantiles": [0.1, 0.5, 0.9]},
}


def mlflow_errors(*statuses: int) -> Responses:
    """Gives the `responses` of a route that may answer with these, as MLflow's server does."""
    return _errors(_MLFLOW_ERROR, statuses)


def open_inference_errors(*statuses: int) -> Responses:
    """Gives the `responses` of a route that may answer with these, as the Open Inference Protocol wants it."""
    return _errors(_ERROR, statuses)


def _errors(schema: dict[str, Any], statuses: tuple[int, ...]) -> Responses:
    return {status: {"description": "Error", "content": {JSON: {"schema": schema}}} for status in statuses}


_ASKING = (400, 401, 403, 404, 408, 413, 415, 429, 500, 503, 504)
INVOCATIONS_ANSWERS: Responses = {
    200: {
        "description": "One object for each series and step: unique_id, ds, and a number for each quantile level",
        "headers": {
            "X-Model": {"schema": _TEXT, "description": "Model and version, as `sales/7`."},
            "X-Degraded": {"schema": _TEXT, "description": "Why a fallback answered."},
            "X-Unused-Columns": {"schema": _TEXT, "description": "What was not read of the table."},
        },
        "content": {
            JSON: {
                "schema": {"type": "object", "required": ["predictions"], "properties": {"predictions": _OF_RECORDS}}
            }
        },
    },
    **mlflow_errors(*_ASKING),
}


_NOT_OF_MLFLOW = ("intervals", "adapt", "segment")  # its table has no place for them, or nothing of it is kept
_IN_QUERY = options_in_query([name for name in OPTIONS if name not in _NOT_OF_MLFLOW], "Where the body is no JSON.")

INVOCATIONS_REQUEST: dict[str, Any] = {
    "parameters": [*_IN_QUERY, *OF_CALLERS],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": _TABLE, "examples": {"hourly": {"summary": "One series", "value": _EXAMPLE}}},
            CSV: {"schema": {"type": "string", "description": "A long table with a header."}},
            PARQUET: {"schema": {"type": "string", "format": "binary", "description": "A long table."}},
        },
    },
}


_PARAMETERS = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]}}
_NESTED = {"type": "array", "description": "In row-major order, nested as the shape is, or flat."}
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {"name": _TEXT, "shape": _SHAPE, "datatype": _TEXT, "parameters": _PARAMETERS, "data": _NESTED},
}
_OUTPUT = {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "parameters": _PARAMETERS}}
_INFERENCE = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": ["string", "null"]},
        "parameters": _PARAMETERS,
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": ["array", "null"], "items": _OUTPUT},
    },
}
_INFERRED = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "parameters": _PARAMETERS,
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_INFERENCE_EXAMPLE = {
    "id": "42",
    "parameters": {"horizon": 3, "quantiles": "0.1,0.5,0.9"},
    "inputs": [
        {"name": "target", "shape": [1, 6], "datatype": "FP64", "data": [12.0, 15.5, None, 14.0, 13.5, 16.0]},
        {"name": "start", "shape": [1], "datatype": "BYTES", "data": ["2024-01-01T00:00:00"]},
        {"name": "unique_id", "shape": [1], "datatype": "BYTES", "data": ["shop 1"]},
    ],
    "outputs": [{"name": "quantiles"}, {"name": "timestamps"}],
}

INFER_ANSWERS: Responses = {
    200: {"description": "The outputs", "content": {JSON: {"schema": _INFERRED}}},
    **open_inference_errors(*_ASKING),
}
INFER_REQUEST: dict[str, Any] = {
    "parameters": OF_CALLERS,
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": _INFERENCE,
                "examples": {"hourly": {"summary": "One series of an hourly model", "value": _INFERENCE_EXAMPLE}},
            }
        },
    },
}
