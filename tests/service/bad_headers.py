"""The table of bad requests, for what their headers say: encodings, deadlines, ids, keys.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

from forecaster.secret_files import write_secret
from service.access.keys import KeyRecord, KeysDocument, Scope, digest_of
from service.access.rate import Rate
from tests.service.bad_requests import BODY, JSON, LOCKED, MARKER, BadRequest

GZIPPED = gzip.compress(BODY, mtime=0)
ZSTANDARD = zstandard.ZstdCompressor(write_checksum=True).compress(BODY)
SPACES = b" " * (10 << 20)


def compressed(what: str, encoding: str, body: bytes, code: str = "invalid-encoding", status: int = 400) -> BadRequest:
    return BadRequest(what, status, code, body, headers=(*JSON, ("content-encoding", encoding)))


def zstd_frame(window: int) -> bytes:
    """The head of a frame that asks for a window of 2^window bytes, and one empty last block."""
    return b"\x28\xb5\x2f\xfd" + bytes([0x00, (window - 10) << 3]) + b"\x01\x00\x00"


ENCODINGS = (
    compressed("plain JSON as gzip", "gzip", BODY),
    compressed("nothing as gzip", "gzip", b""),
    compressed("gzip that is cut off", "gzip", GZIPPED[:-20]),
    compressed("gzip without its last byte", "gzip", GZIPPED[:-1]),
    compressed("gzip with a head alone", "gzip", GZIPPED[:10]),
    compressed("gzip with a wrong checksum", "gzip", GZIPPED[:-8] + b"\x00\x00\x00\x00" + GZIPPED[-4:]),
    compressed("gzip with a wrong length", "gzip", GZIPPED[:-4] + struct.pack("<I", 7)),
    compressed("gzip with a bit turned", "gzip", GZIPPED[:60] + bytes([GZIPPED[60] ^ 4]) + GZIPPED[61:]),
    compressed("gzip by a method that there is not", "gzip", GZIPPED[:2] + b"\x07" + GZIPPED[3:]),
    compressed("gzip with flags that are reserved", "gzip", GZIPPED[:3] + b"\xe0" + GZIPPED[4:]),
    compressed("gzip, and something after it", "gzip", GZIPPED + b"x"),
    compressed("two documents of gzip", "gzip", GZIPPED + GZIPPED),
    compressed("zlib as gzip", "gzip", zlib.compress(BODY)),
    compressed("zstd as gzip", "gzip", ZSTANDARD),
    compressed("gzip within gzip", "gzip", gzip.compress(GZIPPED, mtime=0), "invalid-json"),
    compressed("gzip of nothing", "gzip", gzip.compress(b"", mtime=0), "invalid-json"),
    compressed("gzip of UTF-16", "gzip", gzip.compress(BODY.decode().encode("utf-16"), mtime=0), "invalid-json"),
    compressed("gzip as it is", "identity", GZIPPED, "invalid-json"),
    compressed("10 MB of blanks as 10 kB of gzip", "gzip", gzip.compress(SPACES, mtime=0), "body-too-large", 413),
    compressed(
        "1 MB of blanks as 1 kB of gzip, within the limit of bytes",
        "gzip",
        gzip.compress(SPACES[: 1 << 20], mtime=0),
        "body-too-large",
        413,
    ),
    compressed("plain JSON as zstd", "zstd", BODY),
    compressed("nothing as zstd", "zstd", b"", "invalid-json"),
    compressed("zstd that is cut off", "zstd", ZSTANDARD[:-20]),
    compressed("zstd without its checksum", "zstd", ZSTANDARD[:-4]),
    compressed("zstd with a wrong checksum", "zstd", ZSTANDARD[:-4] + b"\x00\x00\x00\x00"),
    compressed("zstd with a bit turned", "zstd", ZSTANDARD[:40] + bytes([ZSTANDARD[40] ^ 4]) + ZSTANDARD[41:]),
    compressed("zstd, and something after it", "zstd", ZSTANDARD + b"x"),
    compressed("zstd that wants a window of 2 GB", "zstd", zstd_frame(31)),
    compressed(
        "a frame of zstd that is skipped, alone", "zstd", b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd", "invalid-json"
    ),
    compressed("zstd within zstd", "zstd", zstandard.compress(ZSTANDARD), "invalid-json"),
    compressed("10 MB of blanks as 1 kB of zstd", "zstd", zstandard.compress(SPACES), "body-too-large", 413),
    compressed("gzip as zstd", "zstd", GZIPPED),
    compressed("an encoding of an old name, `x-gzip`", "x-gzip", GZIPPED, "unsupported-media-type", 415),
    compressed("an empty Content-Encoding", "", BODY, "unsupported-media-type", 415),
    compressed("an encoding with a weight", "gzip;q=1", GZIPPED, "unsupported-media-type", 415),
    BadRequest(
        "two encodings in two headers",
        415,
        "unsupported-media-type",
        GZIPPED,
        headers=(*JSON, ("content-encoding", "gzip"), ("content-encoding", "zstd")),
    ),
    BadRequest(
        "two media types in two headers",
        415,
        "unsupported-media-type",
        BODY,
        headers=(*JSON, ("content-type", "text/plain")),
    ),
)


def deadline(what: str, text: str) -> BadRequest:
    return BadRequest(what, 400, "invalid-header", BODY, headers=(*JSON, ("x-request-deadline-ms", text)))


DEADLINES = (
    deadline("a deadline of 0 ms", "0"),
    deadline("a deadline before now", "-1"),
    deadline("a deadline with a fraction", "1.5"),
    deadline("a deadline with an exponent", "1e3"),
    deadline("a deadline with a plus", "+5"),
    deadline("a deadline that is a text", MARKER),
    deadline("an empty deadline", ""),
    deadline("a deadline of ten digits", "9999999999"),
    deadline("a deadline of 20,000 digits", "9" * 20_000),
    deadline("a deadline with a unit", "500ms"),
    deadline("a superscript as deadline", "\xb2"),
    deadline("two deadlines in one header", "500, 600"),
)

_PEPPER = b"p" * 32
_MADE = datetime(2024, 1, 1, tzinfo=UTC)
_SECRET = "s" * 43


def key(number: int, secret: str = _SECRET) -> str:
    return f"fk_{number:012x}_{secret}"


def write_keys(home: Path) -> None:
    """Writes the keys that the table knows: good, expired, revoked, without the scope, poor, wide."""
    digest = digest_of(_PEPPER, _SECRET)
    changes = (
        {},
        {"expires": _MADE + timedelta(days=1)},
        {"revoked": _MADE},
        {"scopes": (Scope.METRICS,)},
        {"rate": Rate(per_minute=10, burst=10)},
        {"scopes": tuple(Scope)},
    )
    records = [
        KeyRecord(**{"id": f"{number:012x}", "digest": digest, "scopes": (Scope.FORECAST,), "created": _MADE} | change)
        for number, change in enumerate(changes)
    ]
    write_secret(home / "keys.json", KeysDocument(keys=tuple(records)).model_dump_json().encode())
    write_secret(home / "pepper", _PEPPER)


GOOD, EXPIRED, REVOKED, NARROW, POOR, WIDE = map(key, range(6))


def locked(what: str, *authorizations: str, status: int = 401, code: str = "unauthorized", **more: str) -> BadRequest:
    headers = (*JSON, *(("authorization", text) for text in authorizations))
    headers += tuple((name.replace("_", "-"), text) for name, text in more.items())
    return BadRequest(what, status, code, BODY, headers=headers, service=LOCKED)


KEYS = (
    locked("no key"),
    locked("an empty Authorization", ""),
    locked("a scheme without a key", "Bearer"),
    locked("a key without a scheme", GOOD),
    locked("a password", "Basic dXNlcjpwYXNzd29yZA=="),
    locked("a digest", 'Digest username="a", response="b"'),
    locked("a token that is signed by nobody", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."),
    locked("a key without its end", f"Bearer {GOOD[:-1]}"),
    locked("a key and something after it", f"Bearer {GOOD}x"),
    locked("a key in capitals", f"Bearer {GOOD.upper()}"),
    locked("a key of another house", f"Bearer sk_{GOOD[3:]}"),
    locked("a key that nobody has", f"Bearer {key(99)}"),
    locked("a key with another secret", f"Bearer {key(0, 't' * 43)}"),
    locked("a key that has expired", f"Bearer {EXPIRED}"),
    locked("a key that was revoked", f"Bearer {REVOKED}"),
    locked("two keys in one header", f"Bearer {GOOD}, Bearer {GOOD}"),
    locked("a bad key, then a good one", f"Bearer {key(99)}", f"Bearer {GOOD}"),
    locked("a key of 20,000 letters", "Bearer fk_" + "a" * 20_000),
    locked("bytes beyond ASCII as key", "Bearer \xff\xfe"),
    locked("a tab for a blank", f"Bearer\t{GOOD}"),
    locked("a key in another header", x_api_key=GOOD),
    locked("a key in a cookie", cookie=f"key={GOOD}"),
    locked("a key without the scope", f"Bearer {NARROW}", status=403, code="missing-scope"),
    locked("a request that costs more than its key may spend", f"Bearer {POOR}", status=413, code="cost-too-high"),
    BadRequest("a key in the query", 401, "unauthorized", BODY, path=f"/v1/forecast?key={GOOD}", service=LOCKED),
    BadRequest("a bad body without a key", 401, "unauthorized", b"{", service=LOCKED),
    BadRequest("far too large a body without a key", 401, "unauthorized", b" " * (2 << 20), service=LOCKED),
    BadRequest(
        "models without a key", 401, "unauthorized", method="GET", path="/v1/models", headers=(), service=LOCKED
    ),
    BadRequest("metrics without a key", 401, "unauthorized", method="GET", path="/metrics", headers=(), service=LOCKED),
    BadRequest(
        "metrics with a key for forecasts",
        403,
        "missing-scope",
        method="GET",
        path="/metrics",
        headers=(("authorization", f"Bearer {GOOD}"),),
        service=LOCKED,
    ),
    BadRequest(
        "an unknown path without a key", 404, "not-found", method="GET", path=f"/{MARKER}", headers=(), service=LOCKED
    ),
)


def answered(what: str, body: bytes = BODY, service: str = "plain", **headers: str) -> BadRequest:
    given = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return BadRequest(
        what, 200, "", body, headers=(*JSON, *given) if "content_type" not in headers else given, service=service
    )


ACCEPTED = (
    answered("gzip", GZIPPED, content_encoding="gzip"),
    answered("an encoding in capitals, `GZIP`", GZIPPED, content_encoding="GZIP"),
    answered(
        "two frames of zstd, one after the other",
        zstandard.compress(BODY[:99]) + zstandard.compress(BODY[99:]),
        content_encoding="zstd",
    ),
    answered("JSON in capitals", content_type="APPLICATION/JSON"),
    answered("JSON with a charset in quotes", content_type='application/json; charset="UTF-8"'),
    answered("an Accept that JSON is not: JSON comes", accept="text/html"),
    answered("JSON in lines", accept="application/x-ndjson"),
    answered("a deadline of 30 s", x_request_deadline_ms="30000"),
    answered("a deadline later than the service's own: cut", x_request_deadline_ms="999999999"),
    answered("a request id of 65 characters: replaced", x_request_id=MARKER + "x" * 42),
    answered("a request id with blanks: replaced", x_request_id=f"{MARKER} and more"),
    answered("a request id beyond ASCII: replaced", x_request_id="\xff" + MARKER),
    answered("an empty request id: replaced", x_request_id=""),
    answered("a scheme in small letters", service=LOCKED, authorization=f"bearer {GOOD}"),
    answered(
        "a good key, then a bad one: the first counts",
        service=LOCKED,
        authorization=f"Bearer {GOOD}",
        Authorization="Bearer x",
    ),
    answered("blanks before a key", service=LOCKED, authorization=f"Bearer   {GOOD}"),
)
