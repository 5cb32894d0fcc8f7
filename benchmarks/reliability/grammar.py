"""Requests made at random from valid ones: values, names, nesting, times, numbers, covariates, text, headers, bytes.

The same seed gives the same cases. About a quarter is left valid, so that answers are looked at as much as refusals.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import zstandard

from benchmarks.reliability import words
from benchmarks.reliability.exchange import request_bytes
from benchmarks.reliability.sabotage import CRASHING_ID

Document = Any
Mutation = Callable[[Document, random.Random], Document]


def forecast_cases(number: int, key: str, seed: int = 0) -> Iterator[bytes]:
    """Yields requests for forecasts, each as the bytes to send, nearly all of them with this API key."""
    draw = random.Random(seed)  # noqa: S311 - cases, no secrets
    for _ in range(number):
        yield _forecast_case(draw, key)


def raw_cases(number: int, key: str, seed: int = 0) -> Iterator[bytes]:
    """Yields bytes that were requests before some of them changed places, values or number."""
    draw = random.Random(seed)  # noqa: S311 - cases, no secrets
    seeds = _raw_seeds(draw, key)
    for _ in range(number):
        sent = draw.choice(seeds)
        for _ in range(draw.choice((1, 1, 2, 3, 6))):
            sent = _bytes_changed(sent, draw)
        yield sent


def valid_document(draw: random.Random) -> dict[str, Any]:
    """Gives a request that is answered, with some of what may be asked for."""
    length = draw.choice((1, 3, 30, 60, 100))
    document: dict[str, Any] = {"model": "waves", "horizon": draw.randint(1, 12), "frequency": "h"}
    options = {
        "quantiles": [0.1, 0.5, 0.9],
        "intervals": [80],
        "timezone": "Europe/Berlin",
        "fallback": "seasonal_naive",
        "roll_out": True,
    }
    document |= {name: options[name] for name in draw.sample(sorted(options), draw.choice((0, 0, 1, 2)))}
    document["series"] = [_valid_series(draw, number, length) for number in range(draw.choice((1, 1, 2, 5)))]
    if draw.random() < 0.3:
        document["model"] = "priced"
        for one in document["series"]:
            one["known"] = {"price": [draw.random() for _ in range(length + 60)]}
            one["static"] = {"size": draw.random(), "kind": draw.choice(("big", "small", "other"))}
    return document


def _valid_series(draw: random.Random, number: int, length: int) -> dict[str, Any]:
    target = [None if step and draw.random() < 0.05 else draw.gauss(10, 2) for step in range(length)]
    name = "series" if draw.random() < 0.9 else CRASHING_ID
    one: dict[str, Any] = {"id": f"{name} {number}", "target": target}
    if draw.random() < 0.4:
        one["timestamps"] = [f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00:00" for hour in range(length)]
    else:
        one["start"] = "2024-01-01T00:00:00"
    return one


def _forecast_case(draw: random.Random, key: str) -> bytes:
    document = valid_document(draw)
    for _ in range(draw.choice((0, 1, 1, 2, 4))):
        document = draw.choice(_MUTATIONS)(document, draw)
    body = json.dumps(document).encode()
    if draw.random() < 0.1:
        for _ in range(draw.randint(1, 3)):
            body = _text_changed(body, draw)
    headers = {**dict([words.JSON]), "authorization": f"Bearer {key}"}
    if draw.random() < 0.25:
        name, values = draw.choice(words.HEADERS)
        headers[name] = draw.choice(values)
    return request_bytes(_encoded(body, headers, draw), headers.items())


def _encoded(body: bytes, headers: dict[str, str], draw: random.Random) -> bytes:
    """Compresses a body as its header says, most of the time, and damages some of that."""
    encoding = headers.get("content-encoding")
    if encoding not in ("gzip", "zstd") or draw.random() < 0.2:
        return body
    packed = gzip.compress(body, 1) if encoding == "gzip" else zstandard.compress(body)
    return _bytes_changed(packed, draw) if draw.random() < 0.5 else packed


# Mutations of a document.


def _places(document: Document) -> list[tuple[Any, Any]]:
    """Gives each node as what holds it and its key there; of a long list the first nodes and the last."""
    found, left = [], [document]
    while left:
        holder = left.pop()
        if isinstance(holder, dict):
            keys: list[Any] = list(holder)
        else:
            keys = [*range(min(2, len(holder))), *([len(holder) - 1] if len(holder) > 2 else [])]
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                left.append(holder[key])
    return found


def _strange(draw: random.Random) -> Any:
    """Gives a value that fits few fields."""
    kind = draw.randrange(7)
    if kind == 0:
        return draw.choice((None, True, False))
    if kind in (1, 2):
        return draw.choice(words.NUMBERS)
    if kind == 3:
        return draw.choice(words.TEXTS)
    if kind == 4:
        return draw.choice(words.TIMES)
    if kind == 5:
        return [_strange(draw) for _ in range(draw.choice((0, 1, 3)))]
    return {
        draw.choice((*words.NAMES, *words.OWN_NAMES, *words.TEXTS)): _strange(draw)
        for _ in range(draw.choice((0, 1, 2)))
    }


def _replace(document: Document, draw: random.Random) -> Document:
    places = _places(document) if isinstance(document, dict | list) else []
    if not places or draw.random() < 0.01:
        return _strange(draw)
    holder, key = draw.choice(places)
    holder[key] = _strange(draw)
    return document


def _remove(document: Document, draw: random.Random) -> Document:
    return _at_random(document, draw, lambda holder, key: holder.pop(key))


def _add(document: Document, draw: random.Random) -> Document:
    def add(holder: Any, _: Any) -> None:
        if isinstance(holder, dict):
            holder[draw.choice((*words.NAMES, *words.OWN_NAMES, *words.TEXTS))] = _strange(draw)
        else:
            holder.insert(draw.randint(0, len(holder)), _strange(draw))

    return _at_random(document, draw, add)


def _nest(document: Document, draw: random.Random) -> Document:
    def nest(holder: Any, key: Any) -> None:
        for _ in range(draw.choice((1, 2, 50, 400))):
            holder[key] = [holder[key]] if draw.random() < 0.5 else {"a": holder[key]}

    return _at_random(document, draw, nest)


def _resize(document: Document, draw: random.Random) -> Document:
    """Makes a list shorter, longer, empty or very long: lengths that must agree no longer do."""

    def resize(holder: Any, key: Any) -> None:
        node = holder[key]
        if isinstance(node, list) and node:
            holder[key] = draw.choice((node[:-1], node[1:], [*node, node[-1]], [], node * 2, node * 50, node[::-1]))

    return _at_random(document, draw, resize)


def _scale(document: Document, draw: random.Random) -> Document:
    """Makes the numbers of a list larger or smaller by up to the range of floats."""

    def scale(holder: Any, key: Any) -> None:
        node = holder[key]
        if isinstance(node, list):
            factor = 10.0 ** draw.choice((-300, -30, -5, 5, 28, 29, 30, 100))
            holder[key] = [value * factor if isinstance(value, float) else value for value in node]

    return _at_random(document, draw, scale)


def _retime(document: Document, draw: random.Random) -> Document:
    """Gives a series another start, or one of its timestamps another value."""
    for one in _series_of(document):
        stamps = one.get("timestamps")
        if isinstance(stamps, list) and stamps and draw.random() < 0.7:
            stamps[draw.randrange(len(stamps))] = draw.choice(
                (draw.choice(words.TIMES), draw.choice(stamps), draw.randrange(100))
            )
        else:
            one["start"] = draw.choice((draw.choice(words.TIMES), draw.randrange(-(10**17), 10**17)))
        break
    return document


def _repeat(document: Document, draw: random.Random) -> Document:
    """Repeats a series, under the same id or many others."""
    series = _series_of(document)
    if series:
        copies = [copy.deepcopy(series[0]) for _ in range(draw.choice((1, 7, 40)))]
        for number, one in enumerate(copies):
            one["id"] = draw.choice((f"copy {number}", one.get("id")))
        document["series"] = series + copies
    return document


def _series_of(document: Document) -> list[Any]:
    series = document.get("series") if isinstance(document, dict) else None
    return [one for one in series if isinstance(one, dict)] if isinstance(series, list) else []


def _at_random(document: Document, draw: random.Random, change: Callable[[Any, Any], object]) -> Document:
    places = _places(document) if isinstance(document, dict | list) else []
    if places:
        change(*draw.choice(places))
    return document


_MUTATIONS: tuple[Mutation, ...] = (
    _replace,
    _replace,
    _replace,
    _remove,
    _add,
    _nest,
    _resize,
    _resize,
    _scale,
    _retime,
    _repeat,
)


# Mutations of bytes.


def _text_changed(body: bytes, draw: random.Random) -> bytes:
    place = draw.randint(0, len(body))
    return body[:place] + draw.choice(words.PIECES) + body[place + draw.choice((0, 1, 5)) :]


def _bytes_changed(sent: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(sent)) if sent else 0
    end = min(len(sent), place + draw.choice((1, 2, 8, 40)))
    kind = draw.randrange(6)
    if kind == 0 and sent:
        return sent[:place] + bytes([sent[place] ^ 1 << draw.randrange(8)]) + sent[place + 1 :]
    if kind == 1:
        return sent[:place] + sent[end:]
    if kind == 2:
        return sent[:place] + sent[place:end] * draw.choice((2, 3, 1000)) + sent[end:]
    if kind == 3:
        return sent[:place] + draw.choice(words.RAW_PIECES) + sent[place:]
    if kind == 4:
        return sent[:place]
    lines = sent.split(b"\r\n")
    draw.shuffle(lines)
    return b"\r\n".join(lines)


def _raw_seeds(draw: random.Random, key: str) -> list[bytes]:
    body = json.dumps(valid_document(draw)).encode()
    json_headers = [words.JSON, ("authorization", f"Bearer {key}")]
    head = (
        b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return [
        request_bytes(body, json_headers),
        request_bytes(body[:80], json_headers),
        request_bytes(gzip.compress(body), [*json_headers, ("Content-Encoding", "gzip")]),
        head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        *(
            request_bytes(b"", json_headers, "GET", path)
            for path in ("/livez", "/readyz", "/v1/model?name=waves", "/v1/models", "/metrics")
        ),
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 3,
        request_bytes(b"", [("X-Request-Id", "abc"), ("Accept", "*/*")], "OPTIONS", "/v1/forecast?a=b#c"),
    ]
