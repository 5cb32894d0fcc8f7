"""The table of bad bodies for POST /v1/forecast: what is sent, and the status and problem code it gets.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.service.requests import HISTORY, series, timestamps, valid

MARKER = "b7e2-must-not-come-back"  # part of many inputs, and of no answer
JSON = (("content-type", "application/json"),)


@dataclass(frozen=True)
class BadRequest:
    """One request, and what is answered."""

    what: str  # as docs/bad-inputs.md says it
    status: int
    code: str  # of the problem; '' for a request that is answered
    body: bytes = b""
    field: str = ""  # the first field that `errors` names
    method: str = "POST"
    path: str = "/v1/forecast"
    headers: tuple[tuple[str, str], ...] = JSON


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def literal(document: dict[str, Any], text: str) -> bytes:
    """Gives a document in which the text '@' is replaced by JSON as it stands, which json.dumps might not write."""
    return json.dumps(document).replace('"@"', text).encode()


def fields(what: str, document: object, name: str) -> BadRequest:
    return BadRequest(what, 422, "invalid-fields", encoded(document), name)


def refused(what: str, code: str, document: object) -> BadRequest:
    return BadRequest(what, 422, code, encoded(document))


def not_json(what: str, body: bytes) -> BadRequest:
    return BadRequest(what, 400, "invalid-json", body)


def target(text: str) -> bytes:
    return literal(series(target=["@", 1.0, 2.0]), text)


def with_id(text: str) -> bytes:
    return literal(series(id="@"), text)


HOURS = [f"2024-01-01T{hour:02}:00:00" for hour in range(6)]
ONE = {"id": "a", "start": "2024-01-01", "target": [1.0, 2.0]}
BODY = encoded(valid())

DOCUMENTS = (
    not_json("an empty body", b""),
    not_json("a body of blanks", b"   "),
    not_json("a body that ends early", BODY[:-1]),
    not_json("something after the document", BODY + b"x"),
    not_json("a comment", b"/* */" + BODY),
    not_json("bytes that are not UTF-8", with_id('"@"').replace(b"@", b"\xff\xfe")),
    not_json("an overlong UTF-8 sequence", with_id('"@"').replace(b"@", b"\xc0\xaf")),
    not_json("a surrogate as UTF-8 bytes", with_id('"@"').replace(b"@", b"\xed\xa0\x80")),
    not_json("UTF-16", json.dumps(valid()).encode("utf-16")),
    not_json("UTF-32", json.dumps(valid()).encode("utf-32")),
    not_json("a byte order mark", b"\xef\xbb\xbf" + BODY),
    not_json("100,000 nested lists", b"[" * 100_000 + b"]" * 100_000),
    not_json("100,000 nested objects", b'{"a":' * 100_000),
    fields("`{}`", {}, "series"),
    fields("`[]`", [], "body"),
    fields("`null`", None, "body"),
    fields("a number", 1, "body"),
    fields("a text", MARKER, "body"),
    fields("500 nested lists in an unknown field", json.loads('{"x":' + "[" * 500 + "]" * 500 + "}"), "series"),
    fields("an unknown field", valid(extra=MARKER), "extra"),
    fields("an unknown field of a series", series(extra=MARKER), "series.0.extra"),
    fields("1,000 unknown fields", valid(**{f"field{number}": 1 for number in range(1000)}), "body"),
    not_json("an unknown field named by a lone surrogate", b'{"\\ud800": 1}'),
    BadRequest("more bytes than allowed", 413, "body-too-large", b" " * ((1 << 20) + 1)),
)

VALUES = (
    not_json("`NaN` as a value", target("NaN")),
    not_json("`Infinity` as a value", target("Infinity")),
    not_json("`-Infinity` as a value", target("-Infinity")),
    not_json("`1e400` as a value", target("1e400")),
    not_json("an integer of 5,000 digits", target("9" * 5000)),
    refused("`1e308`", "value-out-of-range", series(target=[1e308, 1.0])),
    refused("`-1e308`", "value-out-of-range", series(target=[-1e308, 1.0])),
    refused("a value beyond +/- 1e30", "value-out-of-range", series(target=[1.0, 1.1e30])),
    fields('`"NaN"`', series(target=["NaN"]), "series.0.target.0"),
    fields('`"1.0"`', series(target=["1.0"]), "series.0.target.0"),
    fields("a text as a value", series(target=[1.0, MARKER]), "series.0.target.1"),
    fields("`true` as a value", series(target=[1.0, True]), "series.0.target.1"),
    fields("a nested list of values", series(target=[[1.0], [2.0]]), "series.0.target.0"),
    fields("values as a text", series(target=MARKER), "series.0.target"),
    fields("values as an object", series(target={"0": 1.0}), "series.0.target"),
    fields("no values at all", series(target=[]), "series.0.target"),
    fields("`null` for the values", series(target=None), "series.0.target"),
    refused("only missing values", "no-observed-value", series(target=[None] * 60)),
    refused("no value in all that the model looks at", "no-recent-value", series(target=[1.0, *[None] * 100])),
    fields("more points than allowed", series(target=[0.0] * 20_001), "series"),
)

SERIES = (
    fields("no series", valid(series=[]), "series"),
    fields("`null` for the series", valid(series=None), "series"),
    fields("an object for the series", valid(series=ONE), "series"),
    fields("a text as a series", valid(series=[MARKER]), "series.0"),
    fields("more series than allowed", valid(series=[ONE | {"id": str(number)} for number in range(9)]), "series"),
    fields("two series of one id", valid(series=[ONE, ONE]), "series"),
    fields("a series without id", valid(series=[{"start": "2024-01-01", "target": [1.0]}]), "series.0.id"),
    fields("an empty id", series(id=""), "series.0.id"),
    fields("an id of 257 characters", series(id=(MARKER * 20)[:257]), "series.0.id"),
    fields("a number as id", series(id=1), "series.0.id"),
    fields("NUL in an id", series(id=f"{MARKER}\x00"), "series.0.id"),
    fields("a line break in an id", series(id=f"{MARKER}\n"), "series.0.id"),
    fields("a terminal escape in an id", series(id=f"\x1b[31m{MARKER}"), "series.0.id"),
    not_json("a lone surrogate in an id", with_id('"\\ud800"')),
)

TIMES = (
    fields("both start and timestamps", series(timestamps=HOURS), "series.0"),
    fields("neither start nor timestamps", series(start=...), "series.0"),
    fields("fewer timestamps than values", timestamps(*HOURS[:3], target=[1.0, 2.0]), "series.0"),
    fields("no timestamps", timestamps(target=[1.0]), "series.0"),
    refused("timestamps that do not ascend", "unsorted", timestamps(HOURS[0], HOURS[2], HOURS[1])),
    refused("a timestamp twice", "duplicate-timestamp", timestamps(HOURS[0], HOURS[1], HOURS[1])),
    refused("a timestamp one second off the grid", "off-grid", timestamps(*HOURS[:2], "2024-01-01T02:00:01")),
    refused("some timestamps with an offset", "mixed-offsets", timestamps(f"{HOURS[0]}Z", HOURS[1])),
    refused("300 years between two rows", "too-many-gaps", timestamps("1900-01-01", "2200-01-01")),
    fields("a timestamp that cannot be read", timestamps(HOURS[0], MARKER), "series.0.timestamps.1"),
    fields("`null` as a timestamp", timestamps(HOURS[0], None), "series.0.timestamps.1"),
    fields("an epoch as text", timestamps("1700000000", "1700003600"), "series.0.timestamps.0"),
    fields("epochs as integers", timestamps(1_700_000_000, 1_700_003_600), "series.0"),
    fields("fractions as timestamps", timestamps(1.5, 2.5), "series.0.timestamps.0"),
    fields("booleans as timestamps", timestamps(True, False), "series.0.timestamps.0"),
    fields("texts and integers mixed", timestamps(1, HOURS[1]), "series.0.timestamps.1"),
    fields("an integer start, hours as frequency", series(start=1), "series.0"),
    fields("a time as start, steps as frequency", valid(frequency="step"), "series.0"),
    fields("a day that is not there", series(start="2024-02-30"), "series.0.start"),
    fields("a leap second", series(start="2016-12-31T23:59:60"), "series.0.start"),
    fields("hour 24", series(start="2024-01-01T24:00:00"), "series.0.start"),
    fields("`now`", series(start="now"), "series.0.start"),
    fields("day before month, `13.02.2024`", series(start="13.02.2024"), "series.0.start"),
    fields("a start of 41 characters", series(start="2024-01-01T00:00:00.".ljust(41, "0")), "series.0.start"),
    fields("a boolean as start", series(start=True), "series.0.start"),
    refused("year 1", "timestamp-out-of-range", series(start="0001-01-01")),
    refused("year 9999", "timestamp-out-of-range", series(start="9999-12-31")),
    refused("half a microsecond", "timestamp-too-fine", series(start="2024-01-01T00:00:00.0000005")),
    refused("a step beyond 10^15", "timestamp-out-of-range", series(start=10**16)),
    refused(
        "local hour that comes twice",
        "ambiguous-timestamp",
        series(start="2024-10-27T02:30:00") | {"timezone": "Europe/Berlin"},
    ),
    refused(
        "local hour that is left out",
        "ambiguous-timestamp",
        series(start="2024-03-31T02:30:00") | {"timezone": "Europe/Berlin"},
    ),
    fields(
        "offsets in some series only", valid(series=[ONE, ONE | {"id": "b", "start": "2024-01-01T00:00Z"}]), "series"
    ),
)

CHOICES = (
    *(
        fields(f"horizon `{text}`", json.loads(literal(valid(horizon="@"), text)), "horizon")
        for text in ("0", "-1", "10000000", "true", '"24"', "24.0", "1e2", "[]")
    ),
    refused("a horizon beyond the model's", "horizon-out-of-range", valid(horizon=13)),
    not_json("a horizon of 5,000 digits", literal(valid(horizon="@"), "9" * 5000)),
    *(
        fields(f"quantiles `{text}`", json.loads(literal(valid(quantiles="@"), text)), f"quantiles{where}")
        for text, where in (("[]", ""), ("[0]", ".0"), ("[1]", ".0"), ("[true]", ".0"), ('["0.5"]', ".0"), ("0.5", ""))
    ),
    fields("100 quantiles", valid(quantiles=[number / 1000 for number in range(1, 101)]), "quantiles"),
    refused("a quantile outside the model's", "level-out-of-range", valid(quantiles=[0.05])),
    refused("a quantile twice", "invalid-levels", valid(quantiles=[0.5, 0.5])),
    refused("a frequency that is none", "unknown-frequency", valid(frequency="fortnight")),
    refused("frequency `0h`", "invalid-frequency", valid(frequency="0h")),
    refused("frequency `-1h`", "unknown-frequency", valid(frequency="-1h")),
    refused("frequency `1.5h`", "unknown-frequency", valid(frequency="1.5h")),
    refused("a step longer than ten years", "frequency-too-long", valid(frequency="11YS")),
    fields("an empty frequency", valid(frequency=""), "frequency"),
    fields("a number as frequency", valid(frequency=1), "frequency"),
    refused("another frequency than the model's", "frequency-mismatch", valid(frequency="D")),
    refused(
        "days for a model of hours, frequency not given",
        "frequency-mismatch",
        timestamps("2024-01-01", "2024-01-02", "2024-01-03", frequency=...),
    ),
    refused("a start off the grid of its frequency", "off-grid", valid(frequency="W-SUN")),
    refused("an unknown time zone", "unknown-timezone", valid(timezone="Mars/Olympus")),
    refused("a path as time zone", "unknown-timezone", valid(timezone="../../etc/passwd")),
    refused("the server's own time zone, `localtime`", "unknown-timezone", valid(timezone="localtime")),
    refused(
        "a time zone for integer steps", "timezone-of-steps", series(start=1) | {"frequency": "step", "timezone": "UTC"}
    ),
    fields("a time zone of 65 characters", valid(timezone="x" * 65), "timezone"),
    BadRequest("a model that is not served", 404, "unknown-model", encoded(valid(model=MARKER))),
    BadRequest("no model named while several are served", 404, "model-missing", encoded(valid(model=...))),
    fields("an empty model", valid(model=""), "model"),
    fields("a number as model", valid(model=1), "model"),
    fields("a line break in the model", valid(model="waves\n"), "model"),
)


def accepted(what: str, body: bytes) -> BadRequest:
    return BadRequest(what, 200, "", body)


ACCEPTED = (
    accepted("a field twice: the last one counts", BODY[:-1] + b', "horizon": 2}'),
    accepted("quantiles in any order: they come back ascending", encoded(valid(quantiles=[0.9, 0.1]))),
    accepted("a number of 100,000 digits after the point: rounded", target("1." + "1" * 100_000)),
    accepted("an integer of 30 digits: rounded", target("1" * 30)),
    accepted("leading nulls: cut off", encoded(series(target=[None] * 10 + HISTORY))),
    accepted("one value", encoded(series(target=[5.0]))),
    accepted("a text that turns the reading direction (U+202E) as id", encoded(series(id="\u202egnp.exe"))),
    accepted("a blank as id", encoded(series(id=" "))),
    accepted("offsets that differ: the reply is in UTC", encoded(timestamps(f"{HOURS[0]}Z", "2024-01-01T02:00+01:00"))),
    accepted("a gap: read as missing, with a warning", encoded(timestamps(HOURS[0], HOURS[1], HOURS[3]))),
    accepted(
        "days for a model of hours, frequency `h` given", encoded(timestamps("2024-01-01", "2024-01-02", "2024-01-03"))
    ),
    accepted("only a year as start: its first moment", encoded(series(start="2024"))),
    accepted("retired spellings of a frequency, `H`", encoded(valid(frequency="H"))),
    BadRequest("unknown parameters in the query of the URL: ignored", 200, "", BODY, path="/v1/forecast?x=1"),
)
