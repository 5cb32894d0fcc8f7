"""The table of bad requests, for what a request may ask beside a plain forecast: covariates, intervals, samples, lines.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.service.bad_requests import (
    HOURS,
    JSON,
    MARKER,
    ONE,
    PRICED,
    BadRequest,
    accepted,
    encoded,
    fields,
    literal,
    not_json,
    refused,
)
from tests.service.request_bodies import HISTORY, series, valid

PRICE = [1.0 + step % 5 / 10 for step in range(len(HISTORY) + 4)]
STATIC = {"size": 1.5, "kind": "big"}


def priced(**changes: Any) -> dict[str, Any]:
    """A request that the model with covariates answers; keys of its one series can be replaced, or removed by `...`."""
    return series(**{"known": {"price": PRICE}, "static": STATIC} | changes)


def literal_json(document: dict[str, Any], text: str) -> Any:
    return json.loads(literal(document, text))


def in_lines(what: str, document: object, name: str) -> BadRequest:
    """What cannot be answered line by line."""
    return replace(fields(what, document, name), headers=(*JSON, ("accept", "application/x-ndjson")))


def of_priced(case: BadRequest) -> BadRequest:
    return replace(case, service=PRICED)


COVARIATES = (
    *(
        fields(
            f"{kind} covariates that the model does not read",
            series(**{kind: {MARKER[:4]: value}}),
            f"series.0.{kind}.b7e2",
        )
        for kind, value in (("past", [1.0] * 60), ("known", [1.0] * 64), ("static", 1.0))
    ),
    fields("a group, for a model that forecasts each series alone", series(group=MARKER), "series.0.group"),
    fields("a list for the covariates", series(past=[1.0]), "series.0.past"),
    fields("`null` for the covariates", series(known=None), "series.0.known"),
    fields("a number for a column", series(past={"price": 1.0}), "series.0.past.price"),
    fields("a text in a column", series(past={"price": [1.0, MARKER]}), "series.0.past.price.1"),
    fields("a boolean in a column", series(known={"price": [True]}), "series.0.known.price.0"),
    fields("a nested column", series(known={"price": [[1.0]]}), "series.0.known.price.0"),
    not_json("`Infinity` in a column", literal(series(past={"price": ["@"]}), "Infinity")),
    fields("51 columns", series(past={f"c{number}": [1.0] for number in range(51)}), "series.0.past"),
    fields("an empty name of a column", series(past={"": [1.0]}), "series.0.past..[key]"),
    fields("a control character in the name of a column", series(past={"a\x07": [1.0]}), "series.0.past.a\x07.[key]"),
    fields("a name of a column of 257 characters", series(known={"x" * 257: [1.0]}), ""),
    fields("more points than allowed, in a column", series(known={"price": [0.0] * 20_000}), "series"),
    fields("a list as attribute", series(static={"size": [1.0]}), ""),
    fields("a boolean as attribute", series(static={"size": True}), ""),
    fields("an attribute of 257 characters", series(static={"kind": "x" * 257}), ""),
    fields("51 attributes", series(static={f"c{number}": 1.0 for number in range(51)}), "series.0.static"),
    fields("an empty group", series(group=""), "series.0.group"),
    fields("a number as group", series(group=1), "series.0.group"),
    fields("a line break in a group", series(group="a\nb"), "series.0.group"),
    *map(
        of_priced,
        (
            BadRequest(
                "no covariates, for a model that reads some",
                422,
                "missing-covariate",
                encoded(valid()),
                "series.0.known.price",
            ),
            BadRequest(
                "an attribute that is missing",
                422,
                "missing-covariate",
                encoded(priced(static={"kind": "big"})),
                "series.0.static.size",
            ),
            BadRequest(
                "a category that is missing",
                422,
                "missing-covariate",
                encoded(priced(static={"size": 1.0})),
                "series.0.static.kind",
            ),
            BadRequest(
                "a second series without covariates",
                422,
                "missing-covariate",
                encoded(valid(series=[priced()["series"][0], ONE | {"id": "b"}])),
                "series.1.known.price",
            ),
            fields("a known column under past", priced(known={}, past={"price": PRICE[:60]}), "series.0.past.price"),
            fields(
                "a column beside those that the model reads",
                priced(known={"price": PRICE, "rain": PRICE}),
                "series.0.known.rain",
            ),
            fields(
                "a past column, for a model that reads none", priced(past={"rain": PRICE[:60]}), "series.0.past.rain"
            ),
            fields(
                "a known column shorter than the history", priced(known={"price": PRICE[:59]}), "series.0.known.price"
            ),
            fields("an empty known column", priced(known={"price": []}), "series.0.known.price"),
            fields(
                "a text as number of the whole series", priced(static=STATIC | {"size": "big"}), "series.0.static.size"
            ),
            refused("a known column that ends with the history", "unknown-ahead", priced(known={"price": PRICE[:60]})),
            refused(
                "a known column one step short of the horizon", "unknown-ahead", priced(known={"price": PRICE[:63]})
            ),
            refused("a column beyond +/- 1e30", "value-out-of-range", priced(known={"price": [1e308, *PRICE[1:]]})),
            refused(
                "a column beyond +/- 1e30 ahead", "value-out-of-range", priced(known={"price": [*PRICE[:-1], -1e308]})
            ),
            fields("an attribute beyond +/- 1e15", priced(static=STATIC | {"size": -1e16}), "series.0.static.size"),
            refused(
                "timestamps that do not ascend, with covariates",
                "unsorted",
                priced(
                    start=...,
                    timestamps=[HOURS[0], HOURS[2], HOURS[1]],
                    target=[1.0, 2.0, 3.0],
                    known={"price": PRICE[:7]},
                ),
            ),
            refused(
                "samples, of a model that was not calibrated", "no-templates", priced() | {"samples": {"number": 2}}
            ),
            refused(
                "a roll-out beyond the numbers known ahead",
                "unknown-ahead",
                priced() | {"horizon": 8, "roll_out": True},
            ),
        ),
    ),
)

OPTIONS = (
    *(
        fields(f"intervals `{text}`", literal_json(valid(intervals="@"), text), f"intervals{where}")
        for text, where in (
            ("[0]", ".0"),
            ("[100]", ".0"),
            ("[-5]", ".0"),
            ("[true]", ".0"),
            ('["80"]', ".0"),
            ("[null]", ".0"),
            ("80", ""),
            ("null", ""),
            ("[[80]]", ".0"),
        )
    ),
    fields("21 intervals", valid(intervals=[50 + number for number in range(21)]), "intervals"),
    refused("an interval wider than the model's levels", "level-out-of-range", valid(intervals=[99])),
    *(
        fields(f"samples `{text}`", literal_json(valid(samples="@"), text), f"samples{where}")
        for text, where in (
            ("10", ""),
            ("[]", ""),
            ("{}", ".number"),
            ('{"number": 0}', ".number"),
            ('{"number": 1001}', ".number"),
            ('{"number": true}', ".number"),
            ('{"number": "10"}', ".number"),
            ('{"number": 10.0}', ".number"),
            ('{"number": 1, "seed": -1}', ".seed"),
            ('{"number": 1, "seed": 2147483648}', ".seed"),
            ('{"number": 1, "seed": null}', ".seed"),
            ('{"number": 1, "method": "x"}', ".method"),
        )
    ),
    *(
        fields(f"roll_out `{text}`", literal_json(valid(roll_out="@"), text), "roll_out")
        for text in ("1", '"true"', "null", "[]")
    ),
    fields("scenarios of a roll-out", valid(roll_out=True, horizon=13, samples={"number": 2}), "samples"),
    fields("a roll-out over 4,097 steps", valid(roll_out=True, horizon=4097), "horizon"),
    *(
        fields(f"fallback `{text}`", literal_json(valid(fallback="@"), text), "fallback")
        for text in ('"mean"', "true", "null", '""', '["none"]')
    ),
    in_lines("samples in lines", valid(samples={"number": 2}), "body"),
    in_lines("a fallback in lines", valid(fallback="seasonal_naive"), "body"),
    in_lines("a segment in lines", valid(segment="north"), "segment"),
    in_lines("a roll-out in lines", valid(roll_out=True, horizon=13), "body"),
    in_lines("a field that is wrong, in lines", valid(horizon=0), "horizon"),
)

ACCEPTED = (
    *map(
        of_priced,
        (
            accepted("all covariates that the model reads", encoded(priced())),
            accepted("more numbers ahead than the horizon: left out", encoded(priced(known={"price": [*PRICE, 1.0]}))),
            accepted(
                "missing numbers in the history of a column", encoded(priced(known={"price": [None, *PRICE[1:]]}))
            ),
            accepted("a missing number ahead", encoded(priced(known={"price": [*PRICE[:61], None, *PRICE[62:]]}))),
            accepted("a number as category", encoded(priced(static=STATIC | {"kind": 1.0}))),
            accepted("an attribute that is `null`", encoded(priced(static=STATIC | {"size": None}))),
            accepted("an attribute of 1e15", encoded(priced(static=STATIC | {"size": 1e15}))),
            accepted("a column at the bounds, +/- 1e30", encoded(priced(known={"price": [1e30, -1e30] * 32}))),
            accepted(
                "a category that the model has not seen: missing, with the warning `unknown-category`",
                encoded(priced(static=STATIC | {"kind": "huge"})),
            ),
        ),
    ),
    accepted("intervals in any order", encoded(valid(intervals=[80, 20]))),
    accepted("an interval twice", encoded(valid(intervals=[80, 80]))),
    accepted("an interval without a width", encoded(valid(intervals=[1e-12]))),
    accepted("a roll-out over 60 steps", encoded(valid(roll_out=True, horizon=60))),
    accepted("a fallback that is not needed", encoded(valid(fallback="seasonal_naive"))),
    accepted(
        "empty covariates, for a model that reads none", encoded(series(past={}, known={}, static={}, group=None))
    ),
)
