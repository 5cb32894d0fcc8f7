"""The options of a forecast in the query of its URL, where the body is a table and has no place for them.

    ?model=sales&horizon=24&quantiles=0.1,0.5,0.9&roll_out=true

They have the names, the types and the bounds that they have in a body of JSON.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError

from service.errors import InvalidFields
from service.schemas import ForecastOptions, Schema

_MOST_PARAMETERS = 200
_LISTS = frozenset({"quantiles", "intervals"})  # numbers separated by commas, or given one by one
_WRITTEN_AS_JSON = frozenset({"horizon", "roll_out", "adapt"})  # all others are texts as they stand
_OF_JSON_ALONE = frozenset({"samples"})

OPTIONS = tuple(name for name in ForecastOptions.model_fields if name not in _OF_JSON_ALONE)


def options_of(query: bytes) -> ForecastOptions:
    """Gives the options that a query holds; InvalidFields names what is unknown, given twice or out of range."""
    given: dict[str, list[str]] = {}
    for name, text in _pairs(query):
        given.setdefault(name, []).append(text)
    try:
        return ForecastOptions.model_validate({name: _value(name, texts) for name, texts in given.items()})
    except ValidationError as error:
        raise InvalidFields.from_validation(error) from error


def refuse_options(query: bytes, kind: type[Schema] = ForecastOptions) -> None:
    """Refuses options in the query of a request whose body is JSON of that kind: they would be ignored."""
    for name, _ in _pairs(query):
        if name in kind.model_fields:
            raise InvalidFields.of(name, "belongs beside the series, into the body of JSON")


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError as error:
        raise InvalidFields.of("query", "is not UTF-8, or has too many parameters") from error


def _value(name: str, texts: list[str]) -> object:
    """Gives the value of a parameter; a text that cannot be read stays one, and is then of the wrong type."""
    if name in _OF_JSON_ALONE:
        raise InvalidFields.of(name, "cannot be drawn for a table: send the series as JSON")
    if name in _LISTS:
        return _json(f"[{','.join(texts)}]")
    if len(texts) > 1:
        raise InvalidFields.of(name, "is given more than once")
    return _json(texts[0]) if name in _WRITTEN_AS_JSON else texts[0]


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
