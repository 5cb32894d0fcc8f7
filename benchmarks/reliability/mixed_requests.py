"""Requests of every kind that the service can be sent, each with where a client that sends it knows it to go."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.reliability.serving import forecast_body

FORECAST = "/v1/forecast"
MAX_BODY_BYTES = 64 << 10
_UNMATCHED = "unmatched"

# Sent with every request that can carry it. The application answers with it; the edge refuses before it reads any id.
REQUEST_ID = "counted"


@dataclass(frozen=True)
class Sending:
    """What goes over a connection at once: bytes, and the method and route of each request that they hold.

    `leaves_as` is the status of a request whose client leaves without an answer; None: it reads all answers.
    """

    data: bytes
    requests: tuple[tuple[str, str], ...]
    leaves_as: int | None = None


@dataclass(frozen=True)
class Keys:
    """API keys: one that may do everything asked here, and one that may not read metrics."""

    full: str
    narrow: str


def block(keys: Keys, number: int, draw: random.Random) -> list[Sending]:
    """Gives sendings with so many requests in all, at least one of each kind, in a random order."""
    kinds = _kinds(keys)
    left = number - sum(len(kind.requests) for kind in kinds)
    assert left >= 0, f"{number} requests are too few for {len(kinds)} kinds"
    chosen = [*kinds]
    while left:
        kind = draw.choice(kinds)
        if len(kind.requests) <= left:
            chosen.append(kind)
            left -= len(kind.requests)
    draw.shuffle(chosen)
    return chosen


def _kinds(keys: Keys) -> list[Sending]:
    return [*_answered(keys), *_refused_by_application(keys), *_refused_at_edge(keys), *_left(keys), *_pipelined(keys)]


def _answered(keys: Keys) -> list[Sending]:
    return [
        *[_forecast(keys, _body())] * 6,
        _forecast(keys, gzip.compress(_body(), mtime=0), "Content-Encoding: gzip"),
        _forecast(keys, _body(), "Accept: application/x-ndjson"),
        *[
            _one(method="GET", path=path, route=route, key=keys.full)
            for path, route in (
                ("/livez", "/livez"),
                ("/readyz?x=1", "/readyz"),
                ("/v1/model", "/v1/model"),
                ("/v1/models", "/v1/models"),
            )
        ],
    ]


def _refused_by_application(keys: Keys) -> list[Sending]:
    wrong_types = {**forecast_body(), "horizon": "4"}
    return [
        _forecast(keys, b"{"),
        _forecast(keys, b"no gzip", "Content-Encoding: gzip"),
        _forecast(keys, _body(), "X-Request-Deadline-Ms: soon"),
        _forecast(keys, json.dumps(wrong_types).encode()),
        _forecast(keys, json.dumps({**forecast_body(), "model": "nobody"}).encode()),
        _forecast(keys, _body(), "Content-Type: text/plain"),
        _forecast(keys, b" " * (MAX_BODY_BYTES + 1)),
        _one(method="POST", path=FORECAST, route=FORECAST, body=_body()),
        _one(method="GET", path="/metrics", route="/metrics", key=keys.narrow),
        _one(method="GET", path="/v1/models", route="/v1/models", key="fk_unknown"),
        _one(method="GET", path="/nothing/here", route=_UNMATCHED, key=keys.full),
        _one(method="POST", path="/v1/forecast/", route=_UNMATCHED, key=keys.full, body=_body()),
        *[
            _one(method=method, path=path, route=path, key=keys.full)
            for method, path in (
                ("GET", FORECAST),
                ("HEAD", "/livez"),
                ("DELETE", "/v1/model"),
                ("OPTIONS", "/readyz"),
                ("PROPFIND", "/livez"),
            )
        ],
    ]


def _refused_at_edge(keys: Keys) -> list[Sending]:
    """Refused before the application sees them, or within a body that it waits for."""
    post = _head("POST", FORECAST, keys.full, ["Content-Type: application/json", "Transfer-Encoding: chunked"])
    heads = [
        _lines(b"BREW /pot HTTP/1.1", b"Host: x"),
        _lines(b"GET /livez HTTP/1.1"),
        _lines(b"GET /livez HTTP/1.1", b"Host: a/b"),
        _lines(b"GET ftp://x/ HTTP/1.1", b"Host: x"),
        _lines(b"GET /" + b"x" * 9000 + b" HTTP/1.1", b"Host: x"),
        _lines(b"GET /livez HTTP/1.1", b"Host: x", *[b"X: y"] * 200),
        _lines(b"POST /v1/forecast HTTP/1.1", b"Host: x", b"Content-Length: 2", b"Transfer-Encoding: chunked")
        + b"0\r\n\r\n",
        b"\x16\x03\x01 no http at all\r\n\r\n",
        post + b"no number of a chunk\r\n",
    ]
    return [Sending(head, (("POST", FORECAST),)) for head in heads]


def _lines(first: bytes, *headers: bytes) -> bytes:
    """Gives a head of these lines, with the id by which the application would answer it."""
    return b"\r\n".join([first, b"X-Request-Id: " + REQUEST_ID.encode(), *headers, b"", b""])


def _left(keys: Keys) -> list[Sending]:
    """Half a head, which is no request yet, and half a body."""
    whole = _forecast(keys, _body()).data
    return [Sending(whole[:40], (), leaves_as=0), Sending(whole[:-20], (("POST", FORECAST),), leaves_as=400)]


def _pipelined(keys: Keys) -> list[Sending]:
    few = [
        _one(method="GET", path="/livez", route="/livez"),
        _forecast(keys, _body()),
        _one(method="GET", path="/nothing", route=_UNMATCHED),
    ]
    broken = Sending(b"\x00\r\n\r\n", (("GET", _UNMATCHED),))
    return [joined([*few, *few]), joined([*few, broken])]


def joined(sendings: Sequence[Sending]) -> Sending:
    """Gives what sends all of them without waiting for an answer."""
    requests = tuple(request for sending in sendings for request in sending.requests)
    return Sending(b"".join(sending.data for sending in sendings), requests)


def forecast(key: str, body: bytes, *lines: str) -> Sending:
    """Gives a request for a forecast."""
    kind = [] if any(line.startswith("Content-Type") for line in lines) else ["Content-Type: application/json"]
    return _one(method="POST", path=FORECAST, route=FORECAST, key=key, body=body, lines=(*kind, *lines))


def get(path: str, key: str) -> Sending:
    """Gives a request for what lies at a path that is a route's own."""
    return _one(method="GET", path=path, route=path, key=key)


def _forecast(keys: Keys, body: bytes, *lines: str) -> Sending:
    return forecast(keys.full, body, *lines)


def _one(
    *, method: str, path: str, route: str, key: str | None = None, body: bytes = b"", lines: Sequence[str] = ()
) -> Sending:
    head = _head(method, path, key, [*lines, *([f"Content-Length: {len(body)}"] if body else [])])
    return Sending(head + body, ((method, route),))


def _head(method: str, path: str, key: str | None, lines: Sequence[str]) -> bytes:
    known = [] if key is None else [f"Authorization: Bearer {key}"]
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: measured", f"X-Request-Id: {REQUEST_ID}", *known, *lines, "", ""]
    ).encode()


def _body() -> bytes:
    return json.dumps(forecast_body()).encode()
