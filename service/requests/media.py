"""The media types of requests and replies, and which of them this installation can read and write."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from starlette.datastructures import Headers

from service.errors import NotAcceptable

JSON, LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
TABLES = frozenset({ARROW, PARQUET})

PYARROW_MISSING = 'tables need pyarrow, which is not installed beside this service: pip install "forecaster[arrow]"'

_VENDOR = "vnd.apache."


@cache
def can_read_tables() -> bool:
    """Says whether pyarrow is installed; it is imported with the first table."""
    return find_spec("pyarrow") is not None


def reply_type(headers: Headers) -> str:
    """Gives what a request wants to be answered with: lines where they are named at all, else what it prefers.

    JSON where it names nothing that there is. NotAcceptable where it prefers a table and pyarrow is not installed.
    """
    accept = headers.get("accept", "").lower()
    if LINES not in accept and _VENDOR not in accept:
        return JSON
    weights = _weights(accept)
    if LINES in weights:
        return LINES
    wanted = max(weights, key=lambda name: weights[name], default=JSON)  # of equal ones the first
    if wanted in TABLES and not can_read_tables():
        raise NotAcceptable(PYARROW_MISSING)
    return wanted


def _weights(accept: str) -> dict[str, float]:
    """Gives how much each type is wanted of those that there are, in their order; what has a weight of 0 is not."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        if name in (JSON, LINES, *TABLES) and _weight(parameters) > 0:
            weights.setdefault(name, _weight(parameters))
    return weights


def _weight(parameters: list[str]) -> float:
    try:
        return next((float(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
    except ValueError:
        return 1.0
