"""The table of bad bodies for POST /v1/forecast: what is sent, and the status and problem code it gets.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from typing import Any

from tests.service.request_bodies import HISTORY, series, timestamps, valid

MARKER = "b7e2-must-not-come-back"  # part of many inputs, and of no answer
JSON = (("content-type", "application/json"),)

# The services that requests are sent to: of two models; of one that reads covariates; of one that forecasts counts; of
# one model, asking for keys.
PLAIN, PRICED, COUNTS, LOCKED = "plain", "priced", "counts", "locked"


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
    service: str = PLAIN  # which of the services it is sent to


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
    *(
        not_json(f"{what}", target(text))
        for what, text in (
            ("a number with a leading zero, `01`", "01"),
            ("a number that begins with a point, `.5`", ".5"),
            ("a number that ends with a point, `1.`", "1."),
            ("a number with a plus, `+1`", "+1"),
            ("a hexadecimal number, `0x10`", "0x10"),
            ("a number with an underscore, `1_000`", "1_000"),
            ("a decimal comma, `1;5`", "1;5"),
            ("an exponent without digits, `1e`", "1e"),
            ("a bare word, `undefined`", "undefined"),
            ("Python's `None`", "None"),
            ("`True` with a capital", "True"),
            ("nothing between two commas", ""),
        )
    ),
    not_json("a comma at the end of a list", BODY.replace(b"0.9]", b"0.9,]")),
    not_json("a comma at the end of an object", BODY[:-1] + b",}"),
    not_json("single quotes", BODY.replace(b'"', b"'")),
    not_json("names without quotes", BODY.replace(b'"model"', b"model")),
    not_json("a line break as it is within a text", with_id('"a\nb"')),
    not_json("an escape that JSON does not know, `\\x41`", with_id('"\\x41"')),
    not_json("an escape that ends early, `\\u12`", with_id('"\\u12"')),
    not_json("the second half of a surrogate pair alone", with_id('"\\udc00"')),
    not_json("two documents, one a line", BODY + b"\n" + BODY),
    not_json("NUL after the document", BODY + b"\x00"),
    not_json("NUL alone", b"\x00"),
    not_json("lists that are opened and never closed", b"[" * 1000),
    not_json("a key without a value", b'{"model"}'),
    not_json("a number as key", b"{1: 2}"),
    not_json("a pickle", pickle.dumps({"model": "waves"})),
    not_json("a form in the body of JSON", b"model=waves&horizon=4"),
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
    not_json("`-1e400` as a value", target("-1e400")),
    not_json("an integer of 400 digits", target("9" * 400)),
    refused("`1e308` and `-1e308`, whose difference overflows", "value-out-of-range", series(target=[1e308, -1e308])),
    refused("an integer beyond 1e30", "value-out-of-range", series(target=[10**31, 1])),
    fields("an object as a value", series(target=[{"value": 1.0}]), "series.0.target.0"),
    fields("a number with a decimal comma as text", series(target=["1,5"]), "series.0.target.0"),
    fields("an empty text as a value", series(target=[1.0, ""]), "series.0.target.1"),
    fields("a bare number for the values", series(target=1.0), "series.0.target"),
    fields("values left out", series(target=...), "series.0.target"),
    refused("one missing value alone", "no-observed-value", series(target=[None])),
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
    *(
        replace(refused(what, "not-counts", series(target=[*range(60), value])), service=COUNTS)
        for what, value in (("a value below 0, for a model of counts", -1), ("half of one, for a model of counts", 0.5))
    ),
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
    fields("an id of half a megabyte", series(id="x" * 500_000), "series.0.id"),
    fields("`null` as an id", series(id=None), "series.0.id"),
    fields("a list as an id", series(id=[MARKER]), "series.0.id"),
    fields("a control character of Latin-1 in an id, U+0085", series(id=f"{MARKER}\x85"), "series.0.id"),
    fields("DEL in an id", series(id=f"{MARKER}\x7f"), "series.0.id"),
    fields("a second series that is a number", valid(series=[ONE, 1]), "series.1"),
    fields("a list as a series", valid(series=[[ONE]]), "series.0"),
    fields("an empty series", valid(series=[{}]), "series.0.id"),
    fields("a number for the series", valid(series=1), "series"),
    fields("51 fields in a series", series(**{f"field{n}": 1 for n in range(51)}), "series.0"),
    fields("the fields of a series beside it", valid(**ONE, series=...), "series"),
    fields("NUL in an id", series(id=f"{MARKER}\x00"), "series.0.id"),
    fields("a line break in an id", series(id=f"{MARKER}\n"), "series.0.id"),
    fields("a terminal escape in an id", series(id=f"\x1b[31m{MARKER}"), "series.0.id"),
    not_json("a lone surrogate in an id", with_id('"\\ud800"')),
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
    accepted("`5e-324` and `-0.0`", encoded(series(target=[5e-324, -0.0, *HISTORY]))),
    accepted("a number too small for 64 bits, `1e-400`: 0", target("1e-400")),
    accepted("values at the bounds, +/- 1e30", encoded(series(target=[1e30, -1e30] * 24))),
    accepted("one spike of 1e29", encoded(series(target=[*HISTORY, 1e29]))),
    accepted("a constant", encoded(series(target=[7.0] * 60))),
    accepted("zeros alone", encoded(series(target=[0] * 60))),
    accepted("as many values as the model looks at", encoded(series(target=HISTORY[:48]))),
    accepted("one value more than the model looks at", encoded(series(target=HISTORY[:49]))),
    accepted("one value among nulls", encoded(series(target=[None] * 40 + [1.0] + [None] * 7))),
    accepted("an integer beyond 2^53: rounded", encoded(series(target=[2**53 + 1, 1]))),
    accepted("an id of 256 characters", encoded(series(id="x" * 256))),
    accepted("a line separator (U+2028) in an id", encoded(series(id="a\u2028b"))),
    accepted(
        "two ids that look the same and are not",
        encoded(valid(series=[ONE | {"id": "\u00e9"}, ONE | {"id": "e\u0301"}])),
    ),
    accepted("the 29th of February in a leap year", encoded(series(start="2024-02-29"))),
    accepted("a history that ends where the calendar does", encoded(series(start="2199-12-31T00:00:00", target=[1.0]))),
    accepted(
        "hours, then days: what lies between is missing",
        encoded(timestamps("2024-01-01T00:00", "2024-01-01T01:00", "2024-01-02T01:00")),
    ),
    accepted("a blank around the frequency", encoded(valid(frequency=" h "))),
    accepted("an offset as time zone", encoded(valid(timezone="+02:00"))),
    accepted("a model by its alias", encoded(valid(model="waves@champion"))),
    accepted(
        "`null` for all that may be left out",
        encoded(valid(horizon=None, frequency=None, timezone=None, quantiles=None, samples=None)),
    ),
    accepted("blanks and line breaks around the document", b" \r\n\t" + BODY + b"\n\n"),
    accepted("escaped letters in names, `\\u006dodel`", BODY.replace(b'"model"', b'"\\u006dodel"')),
    BadRequest("unknown parameters in the query of the URL: ignored", 200, "", BODY, path="/v1/forecast?x=1"),
)
