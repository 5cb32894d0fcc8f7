"""The table of bad requests below the body: media types, routes, and bytes that are hardly HTTP.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.service.bad_requests import BODY, MARKER, BadRequest


def media_type(what: str, value: str, **more: str) -> BadRequest:
    headers = (("content-type", value), *((name.replace("_", "-"), text) for name, text in more.items()))
    return BadRequest(what, 415, "unsupported-media-type", BODY, headers=headers)


MEDIA = (
    BadRequest("no Content-Type", 415, "unsupported-media-type", BODY, headers=()),
    media_type("`text/plain`", "text/plain"),
    media_type("`application/xml`", "application/xml"),
    media_type("a form", "application/x-www-form-urlencoded"),
    media_type("a multipart form", "multipart/form-data; boundary=x"),
    media_type("JSON in latin-1", "application/json; charset=latin-1"),
    media_type("JSON with a parameter that it does not have", "application/json; version=1"),
    media_type("two charsets", "application/json; charset=utf-8; charset=latin-1"),
    media_type("JSON in lines", "application/x-ndjson"),
    media_type("a kind of JSON, `application/problem+json`", "application/problem+json"),
    media_type("a name without a slash, `json`", "json"),
    media_type("`*/*`", "*/*"),
    media_type("two media types", "application/json, text/plain"),
    *(
        media_type(f"Content-Encoding `{name}`", "application/json", content_encoding=name)
        for name in ("br", "deflate", "gzip, gzip", "gzip, zstd")
    ),
)

ROUTES = (
    *(
        BadRequest(f"{method} of a route for POST", 405, "method-not-allowed", method=method)
        for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
    ),
    BadRequest("a method that HTTP does not know", 400, "invalid-http", method="BREW"),
    BadRequest("POST of a route for GET", 405, "method-not-allowed", path="/v1/model"),
    BadRequest("an unknown path", 404, "not-found", method="GET", path=f"/{MARKER}"),
    BadRequest("a slash too many at the end", 404, "not-found", BODY, path="/v1/forecast/"),
    BadRequest("a slash too many within", 404, "not-found", BODY, path="//v1/forecast"),
    BadRequest("a blank after a path", 404, "not-found", BODY, path="/v1/forecast%20"),
    BadRequest("NUL after a path", 404, "not-found", BODY, path="/v1/forecast%00"),
    BadRequest("parameters within a path", 404, "not-found", BODY, path="/v1/forecast;x=1"),
    BadRequest("a path in capitals", 404, "not-found", BODY, path="/V1/FORECAST"),
    BadRequest("a slash that is encoded", 404, "not-found", BODY, path="/v1%2fforecast/x"),
    BadRequest("a backslash in a path", 404, "not-found", method="GET", path="/v1%5cmodel"),
    BadRequest("another version of the interface", 404, "not-found", BODY, path="/v9/forecast"),
    BadRequest("a file of the machine", 404, "not-found", method="GET", path="/etc/passwd"),
    BadRequest(
        "a file of the machine, by way of the documentation",
        404,
        "not-found",
        method="GET",
        path="/static-offline-docs/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    ),
    BadRequest(
        "a file of the machine, by its whole path",
        404,
        "not-found",
        method="GET",
        path="/static-offline-docs//etc/passwd",
    ),
    BadRequest("NUL in a file of the documentation", 404, "not-found", method="GET", path="/static-offline-docs/a%00b"),
    BadRequest("POST of the metrics", 405, "method-not-allowed", path="/metrics"),
    BadRequest("POST of the document of the interface", 405, "method-not-allowed", path="/openapi.json"),
    BadRequest("DELETE of readiness", 405, "method-not-allowed", method="DELETE", path="/readyz"),
    BadRequest("`/v1/model` of a path", 404, "unknown-model", method="GET", path="/v1/model?name=../../etc/passwd"),
    BadRequest("`/v1/model` of NUL", 404, "unknown-model", method="GET", path="/v1/model?name=%00"),
    BadRequest("`/v1/model` of an empty name", 404, "unknown-model", method="GET", path="/v1/model?name="),
    BadRequest(
        "`/v1/model` of 7,000 letters", 404, "unknown-model", method="GET", path="/v1/model?name=" + "x" * 7_000
    ),
    BadRequest(
        "a parameter that `/v1/model` does not have", 422, "invalid-fields", method="GET", path="/v1/model?model=x"
    ),
    BadRequest("dots in a path, encoded", 404, "not-found", method="GET", path="/v1/%2e%2e/livez"),
    BadRequest("a path that is not UTF-8", 404, "not-found", method="GET", path="/%ff"),
    BadRequest("a path of 8,000 bytes", 404, "not-found", method="GET", path="/" + "x" * 8_000),
    BadRequest("a path of 60,000 bytes", 414, "target-too-long", method="GET", path="/" + "x" * 60_000),
    BadRequest(
        "`/v1/model` of a model that is not served", 404, "unknown-model", method="GET", path=f"/v1/model?name={MARKER}"
    ),
    BadRequest(
        "`/v1/model` of a name that is not UTF-8", 404, "unknown-model", method="GET", path="/v1/model?name=%ed%a0%80"
    ),
    BadRequest(
        "`/v1/model` without a name while several are served", 404, "model-missing", method="GET", path="/v1/model"
    ),
)


@dataclass(frozen=True)
class BadBytes:
    """What is sent on a connection, and what is answered."""

    what: str  # as docs/bad-inputs.md says it
    sent: bytes
    status: int | None  # None: the connection ends without an answer
    code: str = ""  # of the problem; '' for a request that is answered
    hangs_up: bool = False  # the client closes its side after the last byte


def post(*headers: bytes) -> bytes:
    lines = (b"POST /v1/forecast HTTP/1.1", b"Host: x", b"Content-Type: application/json", b"Connection: close")
    return b"\r\n".join((*lines, *headers, b"", b""))


def get(path: bytes, *headers: bytes, host: bytes = b"x") -> bytes:
    return b"\r\n".join((b"GET " + path + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers, b"", b""))


def chunked(body: bytes, size: int) -> bytes:
    parts = (body[begin : begin + size] for begin in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"

LENGTHS = (
    BadBytes("half a body, then the client hangs up", post(LENGTH) + BODY[:500], None, hangs_up=True),
    BadBytes("half a chunk, then the client hangs up", post(CHUNKED) + b"fff\r\n" + BODY[:500], None, hangs_up=True),
    BadBytes("a length that is smaller than the body", post(b"Content-Length: 10") + BODY, 400, "invalid-json"),
    BadBytes("a length that is far larger than allowed", post(b"Content-Length: 99999999999"), 413, "body-too-large"),
    BadBytes("neither length nor chunks", post() + BODY, 400, "invalid-json"),
    BadBytes("length and chunks", post(LENGTH, CHUNKED) + chunked(BODY, 100), 400, "ambiguous-length"),
    BadBytes("chunks and length", post(CHUNKED, LENGTH) + chunked(BODY, 100), 400, "ambiguous-length"),
    BadBytes("too many bytes in chunks", post(CHUNKED) + chunked(b" " * (2 << 20), 1 << 16), 413, "body-too-large"),
    BadBytes("100,000 chunks of one byte", post(CHUNKED) + chunked(BODY.ljust(100_000), 1), 200),
    BadBytes("a negative length", post(b"Content-Length: -5") + BODY, 400, "invalid-http"),
    BadBytes("a length that is no number", post(b"Content-Length: many") + BODY, 400, "invalid-http"),
    BadBytes("a length with a sign", post(b"Content-Length: +5") + BODY, 400, "invalid-http"),
    BadBytes("a length of 5,000 digits", post(b"Content-Length: " + b"9" * 5000), 400, "invalid-http"),
    BadBytes("two lengths that differ", post(LENGTH, b"Content-Length: 5") + BODY, 400, "invalid-http"),
    BadBytes("two lengths that agree", post(LENGTH, LENGTH) + BODY, 400, "invalid-http"),
    BadBytes("a chunk without a length", post(CHUNKED) + b"zz\r\n", 400, "invalid-http"),
    BadBytes("a chunk whose length begins with 0x", post(CHUNKED) + b"0x5\r\n[1,2]\r\n0\r\n\r\n", 400, "invalid-http"),
    BadBytes(
        "chunks within another encoding", post(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400, "invalid-http"
    ),
    BadBytes(
        "an encoding that looks like chunks", post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400, "invalid-http"
    ),
    BadBytes("chunks in HTTP/1.0", post(CHUNKED).replace(b"/1.1", b"/1.0") + chunked(BODY, 100), 400, "invalid-http"),
    BadBytes(
        "a header after the last chunk", post(CHUNKED) + chunked(BODY, 100)[:-2] + b"Content-Type: a/b\r\n\r\n", 200
    ),
)

HEADS = (
    BadBytes("no Host", b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "invalid-host"),
    BadBytes("no Host in HTTP/1.0", b"GET /livez HTTP/1.0\r\n\r\n", 200),
    BadBytes("two Hosts", get(b"/livez", b"Host: y"), 400, "invalid-host"),
    BadBytes("NUL in the Host", get(b"/livez", host=b"a\x00b"), 400, "invalid-http"),
    BadBytes("a Host that is no name", get(b"/v1/model?name=x", host=b"a/@#?"), 400, "invalid-host"),
    BadBytes("a Host with a user", get(b"/livez", host=b"user@x"), 400, "invalid-host"),
    BadBytes("a Host that is not UTF-8", get(b"/v1/model?name=x", host=b"\xff\xfe"), 400, "invalid-host"),
    BadBytes("a Host elsewhere, and a slash too many", get(b"/livez/", host=b"elsewhere.example"), 404, "not-found"),
    BadBytes("another server's address as path", get(b"http://elsewhere.example/livez"), 400, "invalid-target"),
    BadBytes("this server's address as path", get(b"http://x:80/livez", host=b"X:80"), 200),
    BadBytes("`*` as path", get(b"*").replace(b"GET", b"OPTIONS"), 400, "invalid-target"),
    BadBytes("a path with bytes beyond ASCII", get(b"/\xff"), 400, "invalid-http"),
    BadBytes("40,000 bytes of headers", get(b"/livez", b"X: " + b"x" * 40_000), 431, "head-too-large"),
    BadBytes(
        "40,000 bytes of headers that do not end", get(b"/livez", b"X: " + b"x" * 400_000)[:-4], 431, "head-too-large"
    ),
    BadBytes("10,000 headers", get(b"/livez", *[b"A: b"] * 10_000), 431, "head-too-large"),
    BadBytes("a header of two lines", get(b"/livez", b"A: b\r\n c"), 400, "invalid-http"),
    BadBytes("a space before a colon", get(b"/livez", b"A : b"), 400, "invalid-http"),
    BadBytes("lines that end without a carriage return", get(b"/livez").replace(b"\r", b""), 400, "invalid-http"),
    BadBytes("HTTP/0.9", b"GET /livez\r\n\r\n", 400, "invalid-http"),
    BadBytes("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid-http"),
    BadBytes("another protocol to go on with", get(b"/livez", b"Connection: upgrade", b"Upgrade: h2c"), 200),
    BadBytes("a tunnel", get(b"x:443").replace(b"GET", b"CONNECT"), 400, "invalid-target"),
    BadBytes(
        "a TLS handshake",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64 + b"\r\n\r\n",
        400,
        "invalid-http",
    ),
)

MANY = get(b"/livez").replace(b"Connection: close\r\n", b"")

ORDERS = (
    BadBytes("dots in a path", get(b"/v1/../livez"), 404, "not-found"),
    BadBytes("a blank line before the request", b"\r\n" + get(b"/livez"), 200),
    BadBytes("a thousand requests at once", MANY * 1000, 200),
    BadBytes("a body that was not announced, then a request", MANY + BODY, 200),
    BadBytes("a body for a route without one", get(b"/livez", LENGTH) + BODY, 200),
    BadBytes("a request that expects what HTTP does not know", get(b"/livez", b"Expect: the-unexpected"), 200),
    BadBytes("nothing at all", b"", None, hangs_up=True),
    BadBytes("line breaks alone", b"\r\n" * 100, None, hangs_up=True),
    BadBytes("NUL bytes alone", b"\x00" * 1000, 400, "invalid-http"),
    BadBytes("a request line without a version", b"GET /livez\r\nHost: x\r\n\r\n", 400, "invalid-http"),
    BadBytes("a version that there is not, HTTP/3.7", get(b"/livez").replace(b"1.1", b"3.7"), 400, "invalid-http"),
    BadBytes("a name of a protocol that is not HTTP", get(b"/livez").replace(b"HTTP", b"HTPP"), 400, "invalid-http"),
    BadBytes("a tab for a blank in the request line", b"GET\t/livez\tHTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid-http"),
    BadBytes("a method in small letters", get(b"/livez").replace(b"GET", b"get"), 400, "invalid-http"),
    BadBytes("a header without a name", get(b"/livez", b": x"), 400, "invalid-http"),
    BadBytes("a header without a colon", get(b"/livez", b"what"), 400, "invalid-http"),
    BadBytes("a header whose name holds a bracket", get(b"/livez", b"a[b]: c"), 400, "invalid-http"),
    BadBytes("NUL in a header", get(b"/livez", b"A: b\x00c"), 400, "invalid-http"),
    BadBytes("a carriage return alone within a header", get(b"/livez", b"A: b\rX-C: d"), 400, "invalid-http"),
    BadBytes("a blank before the first header", b"GET /livez HTTP/1.1\r\n Host: x\r\n\r\n", 400, "invalid-http"),
    BadBytes("an empty Host", get(b"/livez", host=b""), 200),
    BadBytes("a port that is no number in the Host", get(b"/livez", host=b"x:http"), 400, "invalid-host"),
    BadBytes("an address in brackets that are not closed", get(b"/livez", host=b"[::1"), 400, "invalid-host"),
    BadBytes("a fragment in the path: left out", get(b"/livez#x"), 200),
    BadBytes("a chunk that is longer than it says", post(CHUNKED) + b"2\r\n[1,2]\r\n0\r\n\r\n", 400, "invalid-http"),
    BadBytes("a chunk of a negative length", post(CHUNKED) + b"-5\r\n", 400, "invalid-http"),
    BadBytes("a chunk of 2^64 bytes", post(CHUNKED) + b"10000000000000000\r\n", 400, "invalid-http"),
    BadBytes(
        "an extension of 200,000 bytes in each chunk",
        post(CHUNKED) + (b"1;" + b"x" * 200_000 + b"\r\n \r\n") * 60,
        413,
        "body-too-large",
    ),
)

BYTES = (*LENGTHS, *HEADS, *ORDERS)
