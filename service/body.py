"""Bytes of a request -> a validated schema: media type, size, JSON and fields are checked in this order."""

from __future__ import annotations

import orjson
from fastapi import Request
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from service.errors import (
    AmbiguousLength,
    BodyIncomplete,
    BodyTooLarge,
    InvalidFields,
    InvalidJson,
    UnsupportedMediaType,
)
from service.schemas import ForecastRequest


async def read_forecast_request(request: Request) -> ForecastRequest:
    """Reads, bounds and validates the body of a forecast request."""
    settings = request.app.state.service.settings
    _check_media_type(request)
    body = await _read_bounded(request, settings.max_body_bytes)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"the body is not JSON: {error.msg} at byte {error.pos}") from error
    _check_num_series(document, settings.max_series)
    try:
        return ForecastRequest.model_validate(document)
    except ValidationError as error:
        raise InvalidFields.from_validation(error) from error


def _check_num_series(document: object, limit: int) -> None:
    """Refuses too many series before any of them is looked at."""
    series = document.get("series") if isinstance(document, dict) else None
    if isinstance(series, list) and len(series) > limit:
        raise InvalidFields([{"field": "series", "message": f"{len(series)} series, at most {limit} are allowed"}])


def _check_media_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise UnsupportedMediaType("send application/json in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("compressed bodies are not supported")


async def _read_bounded(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared and "transfer-encoding" in request.headers:
        raise AmbiguousLength("both Content-Length and Transfer-Encoding are given: send one of them")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"the body has {declared} bytes, at most {limit} are allowed")
    chunks = bytearray()
    try:
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > limit:
                raise BodyTooLarge(f"the body has more than {limit} bytes")
    except ClientDisconnect as error:
        raise BodyIncomplete("the client went away before its body ended") from error
    return bytes(chunks)
