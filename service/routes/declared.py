"""What the document of the interface is told of answers that routes give as they are: their contents and headers."""

from __future__ import annotations

from typing import Any

from service.requests.media import ARROW, JSON, PARQUET

Responses = dict[int | str, dict[str, Any]]

_FORECAST = {"$ref": "#/components/schemas/ForecastReply"}
_TABLE = {"type": "string", "format": "binary", "description": "A table, where the forecast was answered as one."}
_ANSWERS = {JSON: {"schema": _FORECAST}, **{media_type: {"schema": _TABLE} for media_type in (ARROW, PARQUET)}}
_SAME = {
    "schema": {"type": "string", "enum": ["same", "different"]},
    "description": "Whether the bytes are those that were answered then.",
}
_WHERE = {"schema": {"type": "string"}, "description": "Path of the job, where it says how far it is."}
_RESULT = {
    "anyOf": [
        *({"$ref": f"#/components/schemas/{name}"} for name in ("ForecastReply", "BacktestReply", "AnomalyReply")),
        {"type": "object", "description": "Of fine-tuning the model; of a dialect's job what its route answers."},
    ]
}

METRICS: Responses = {
    200: {
        "description": "Metrics",
        "content": {"text/plain": {"schema": {"type": "string", "description": "Prometheus' text format."}}},
    }
}
KEPT_FORECAST: Responses = {200: {"description": "The reply, byte for byte", "content": _ANSWERS}}
REPLAY: Responses = {
    200: {"description": "The reply, computed once more", "content": _ANSWERS, "headers": {"X-Replay": _SAME}}
}
RESULT: Responses = {200: {"description": "What the job came to", "content": {JSON: {"schema": _RESULT}}}}
TAKEN_IN: Responses = {202: {"description": "The job was taken in", "headers": {"Location": _WHERE}}}
