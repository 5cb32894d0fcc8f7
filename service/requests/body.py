"""Bytes of a request -> a validated schema: media type, encoding, JSON and fields are checked in this order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import orjson
from pydantic import ValidationError
from starlette.datastructures import Headers

from service.errors import InvalidFields, InvalidJson, UnsupportedMediaType
from service.requests.inflate import ENCODINGS, inflated
from service.requests.media import ARROW, JSON, PARQUET, PYARROW_MISSING, can_read_tables
from service.schemas import ForecastRequest, Schema
from service.settings import Settings

SchemaT = TypeVar("SchemaT", bound=Schema)


def checked_media_type(
    headers: Headers, texts: Sequence[str] = (JSON,), tables: Sequence[str] = (ARROW, PARQUET), default: str = ""
) -> str:
    """Gives the media type of a body: a text in UTF-8, or a table, plain or in an encoding that is known.

    `default` is that of a body that is not declared.
    UnsupportedMediaType for any other, and for a table where pyarrow is not installed.
    """
    media_type, _, parameters = _declared(headers, "content-type", default).partition(";")
    media_type, parameters = media_type.strip().lower(), parameters.strip().lower().replace('"', "")
    if media_type in tables and not parameters:
        if not can_read_tables():
            raise UnsupportedMediaType(PYARROW_MISSING)
    elif media_type not in texts or parameters not in ("", "charset=utf-8"):
        *others, last = (*(f"{text} in UTF-8" for text in texts), *tables)
        raise UnsupportedMediaType(f"send {', '.join(others)}{' or ' if others else ''}{last}")
    encoding = _declared(headers, "content-encoding", "identity").lower()
    if encoding not in ENCODINGS:
        raise UnsupportedMediaType(f"content encodings are {', '.join(sorted(ENCODINGS))}, one at a time")
    return media_type


def refuse_all_but_json(headers: Headers) -> None:
    """Refuses tables, where a route takes none; UnsupportedMediaType for all that is not JSON."""
    if checked_media_type(headers) != JSON:
        raise UnsupportedMediaType(f"send {JSON} in UTF-8")


def decoded(headers: Headers, body: bytes, settings: Settings) -> bytes:
    """Gives a body without its encoding."""
    encoding = _declared(headers, "content-encoding", "identity").lower()
    return inflated(body, encoding, settings.max_body_bytes)


def forecast_request(headers: Headers, body: bytes, settings: Settings) -> ForecastRequest:
    """Gives the forecast request that a body holds."""
    return request_of(ForecastRequest, headers, body, settings)


def request_of(kind: type[SchemaT], headers: Headers, body: bytes, settings: Settings) -> SchemaT:
    """Gives the request of some kind, with series, that a body holds."""
    content = decoded(headers, body, settings)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidJson.at(error) from error
    return validated(kind, document, settings)


def validated(kind: type[SchemaT], document: object, settings: Settings) -> SchemaT:
    """Gives the request of some kind that a document is; InvalidFields names what is wrong with it."""
    _check_num_series(document, settings.max_series)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise InvalidFields.from_validation(error) from error


def _declared(headers: Headers, name: str, default: str = "") -> str:
    """Gives the value of a header; of several, which nobody may choose from, all of them, as HTTP joins them."""
    return ", ".join(headers.getlist(name)) if name in headers else default


def _check_num_series(document: object, limit: int) -> None:
    """Refuses too many series before any of them is looked at."""
    series = document.get("series") if isinstance(document, dict) else None
    if isinstance(series, list) and len(series) > limit:
        raise InvalidFields.of("series", f"{len(series)} series, at most {limit} are allowed")
