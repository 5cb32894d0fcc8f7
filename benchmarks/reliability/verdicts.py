"""What every reply has to keep, whatever was asked: declared, well-formed, finite, silent about the inside."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from benchmarks.reliability.exchange import Exchange, Reply
from service.errors.dialects import said
from service.problems import MEDIA_TYPE
from service.requests.media import ARROW, JSON, LINES, TABLES
from service.schemas import ForecastOut, ForecastReply, ModelRef, Problem

MAX_SECONDS = 1.0
MAX_PROBLEM_BYTES, FREE_PROBLEM_BYTES = 16 << 10, 2 << 10
LEAK = re.compile(rb'Traceback|File "|/site-packages|\bsk_|\bfk_[0-9a-f]')
_PROBE = {"status": 400, "code": "", "detail": ""}
_EXPECTED_FAULTS = (503, 504)  # too much, or too late: not the request's nature


def faults_of(found: Exchange, num_sent: int, declared: Collection[int]) -> list[str]:
    """Names what is wrong with what came back for `num_sent` bytes; the slowness of the exchange is not looked at."""
    faults = [] if found.is_over else ["left open"]
    faults += [] if found.is_http else ["no HTTP"]
    for reply in found.replies:
        faults += faults_of_reply(reply, num_sent, declared)
    return faults


def faults_of_reply(reply: Reply, num_sent: int, declared: Collection[int], path: str = "") -> Iterator[str]:
    """Names what is wrong with a reply; those of a dialect's `path` have its form of a problem."""
    if reply.status >= 500 and reply.status not in _EXPECTED_FAULTS:
        yield f"status {reply.status}"
    if reply.status not in declared:
        yield f"undeclared status {reply.status}"
    if reply.status in (429, 503) and "retry-after" not in reply.headers:
        yield "no Retry-After"
    if LEAK.search(reply.body) or LEAK.search(" ".join(reply.headers.values()).encode("latin-1")):
        yield "gives away the inside"
    if not 200 <= reply.status < 300:
        yield from (
            _faults_of_dialect(reply, path) if _is_of_dialect(reply, path) else _faults_of_problem(reply, num_sent)
        )
    elif reply.headers.get("content-type") in TABLES:
        yield from _faults_of_table(reply)
    elif b'"forecasts"' in reply.body or reply.headers.get("content-type") == LINES:
        yield from _faults_of_forecast(reply)


def _is_of_dialect(reply: Reply, path: str) -> bool:
    return reply.headers.get("content-type") == JSON and said(path, _PROBE) is not None


def _faults_of_dialect(reply: Reply, path: str) -> Iterator[str]:
    found = said(path, _PROBE)
    if reply.body and found is not None and set(orjson.loads(reply.body)) != set(found[1]):
        yield "a refusal of another form"


def _faults_of_problem(reply: Reply, num_sent: int) -> Iterator[str]:
    if reply.headers.get("content-type") != MEDIA_TYPE:
        yield "a refusal that is no problem"
        return
    if len(reply.body) > min(MAX_PROBLEM_BYTES, 2 * num_sent + FREE_PROBLEM_BYTES):
        yield "a problem that is too long"
    if not reply.body:  # of HEAD
        return
    try:
        problem = Problem.model_validate_json(reply.body)
    except ValidationError:
        yield "a problem of another schema"
        return
    if problem.status != reply.status:
        yield "a problem of another status"
    if problem.request_id is None or problem.request_id != reply.headers.get("x-request-id"):
        yield "a problem without the id of its request"


def _faults_of_forecast(reply: Reply) -> Iterator[str]:
    """JSON has no NaN and no infinity, and `null` is no number of the schema: what fits it is finite."""
    try:
        forecasts = _in_lines(reply.body) if reply.headers["content-type"] == LINES else _whole(reply.body)
    except (ValidationError, ValueError, KeyError):
        yield "a forecast of another schema"
        return
    for forecast in forecasts:
        columns = [forecast.quantiles[name] for name in sorted(forecast.quantiles, key=float)]
        if any(len(column) != len(forecast.timestamps) for column in columns):
            yield "a forecast of another length"
        elif any(low > high for pair in pairwise(columns) for low, high in zip(*pair, strict=True)):
            yield "quantiles that do not ascend"


def _faults_of_table(reply: Reply) -> Iterator[str]:
    try:
        is_stream = reply.headers["content-type"] == ARROW
        table = pa.ipc.open_stream(reply.body).read_all() if is_stream else pq.read_table(io.BytesIO(reply.body))
        said = orjson.loads(table.schema.metadata[b"forecast"])
        ModelRef.model_validate(said["model"])
        levels = sorted((name for name in table.column_names if name[0].isdigit()), key=float)
        values = np.column_stack([table[name].to_numpy() for name in levels])
    except (pa.ArrowException, ValidationError, ValueError, LookupError, TypeError):
        yield "a table of another schema"
        return
    if table.column_names[:2] != ["unique_id", "ds"] or table.num_rows == 0 or not np.isfinite(values).all():
        yield "a table of another schema"
    if (np.diff(values, axis=1) < 0).any():
        yield "quantiles that do not ascend"


def _whole(body: bytes) -> list[ForecastOut]:
    return ForecastReply.model_validate_json(body).forecasts


def _in_lines(body: bytes) -> list[ForecastOut]:
    head, *lines = body.splitlines()
    ModelRef.model_validate(orjson.loads(head)["model"])
    return [ForecastOut.model_validate_json(line) for line in lines if not line.startswith(b'{"problem"')]
