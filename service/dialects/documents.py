"""JSON as clients of dialects write it: Python's writer says NaN for a number that is missing."""

from __future__ import annotations

import json

import orjson

from service.errors import InvalidJson

_NAN, _INFINITY = "NaN", "Infinity"


def document_of(content: bytes) -> object:
    """Gives what a body of JSON says, NaN as null. InvalidJson for infinity, and for all else that is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if _NAN.encode() not in content and _INFINITY.encode() not in content:
            raise InvalidJson(f"the body is not JSON: {error.msg} at byte {error.pos}") from error
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_missing)
    except (ValueError, RecursionError) as error:
        raise InvalidJson("the body is not JSON, even where NaN counts as null") from error


def _missing(constant: str) -> None:
    if constant != _NAN:
        raise InvalidJson(f"the body is not JSON: {constant} is no number")
