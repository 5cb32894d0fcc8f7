"""JSON as clients of dialects write it: Python's writer says NaN for a number that is missing."""

from __future__ import annotations

import json
import re

import orjson

from service.errors import InvalidJson

_NAN, _INFINITY = "NaN", "Infinity"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def document_of(content: bytes) -> object:
    """Gives what a body of JSON says, NaN as null. InvalidJson for infinity, and for all else that is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if _NAN.encode() not in content and _INFINITY.encode() not in content:
            raise InvalidJson.at(error) from error
    try:
        document: object = json.loads(content.decode("utf-8"), parse_constant=_missing)
        if _SURROGATE.search(content):
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # half a pair is no text, as orjson has it, too
    except (ValueError, RecursionError) as error:
        raise InvalidJson("the body is not JSON, even where NaN counts as null") from error
    return document


def _missing(constant: str) -> None:
    if constant != _NAN:
        raise InvalidJson(f"the body is not JSON: {constant} is no number")
