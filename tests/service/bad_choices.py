"""The table of bad requests, for horizon, quantiles, frequency, time zone and model.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import json

from tests.service.bad_requests import MARKER, BadRequest, encoded, fields, literal, not_json, refused
from tests.service.request_bodies import series, timestamps, valid

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
    fields("a horizon as an object", valid(horizon={"steps": 4}), "horizon"),
    not_json("a horizon that is not a number, `NaN`", literal(valid(horizon="@"), "NaN")),
    *(
        fields(f"quantiles `{text}`", json.loads(literal(valid(quantiles="@"), text)), f"quantiles{where}")
        for text, where in (
            ("[null]", ".0"),
            ("[[0.5]]", ".0"),
            ("[0.5, -0.5]", ".1"),
            ("[1.5]", ".0"),
            ("{}", ""),
            ('"0.5"', ""),
        )
    ),
    not_json("`NaN` as a quantile", literal(valid(quantiles=["@"]), "NaN")),
    refused("a quantile next to 0", "level-out-of-range", valid(quantiles=[5e-324])),
    *(
        refused(what, code, valid(frequency=text))
        for what, code, text in (
            ("months for a model of hours", "off-grid", "ME"),
            ("quarters for a model of hours", "frequency-mismatch", "QS"),
            ("business days for a model of hours", "frequency-mismatch", "B"),
            ("half hours for a model of hours", "frequency-mismatch", "30min"),
            ("two units as frequency", "unknown-frequency", "1h30min"),
            ("NUL after the frequency", "unknown-frequency", "h\x00"),
            ("a count of 19 digits as frequency", "unknown-frequency", "9999999999999999999h"),
            ("nanoseconds as frequency", "unknown-frequency", "ns"),
        )
    ),
    fields("a frequency of 21 characters", valid(frequency="h" * 21), "frequency"),
    fields("a list as frequency", valid(frequency=["h"]), "frequency"),
    *(
        refused(what, "unknown-timezone", valid(timezone=text))
        for what, text in (
            ("a time zone in lower case", "europe/berlin"),
            ("a blank after the time zone", "Europe/Berlin "),
            ("NUL in a time zone", "Europe/Berlin\x00"),
            ("an absolute path as time zone", "/etc/localtime"),
            ("a folder as time zone", "Europe"),
            ("a zone with leap seconds, `right/UTC`", "right/UTC"),
            ("the rules of the machine, `posixrules`", "posixrules"),
            ("a file beside the zones as time zone", "tzdata.zi"),
        )
    ),
    fields("an empty time zone", valid(timezone=""), "timezone"),
    fields("a number as time zone", valid(timezone=2), "timezone"),
    *(
        BadRequest(what, 404, "unknown-model", encoded(valid(model=text)))
        for what, text in (
            ("a version that there is not", "waves/99"),
            ("an alias that there is not", "waves@challenger"),
            ("an alias without a model", "@champion"),
            ("two aliases", "waves@champion@champion"),
            ("a path as model", "../../waves"),
            ("a model in capitals", "WAVES"),
            ("a blank around the model", " waves "),
            ("SQL as model", "waves' OR '1'='1"),
            ("a template as model", "{{7*7}}${7*7}"),
        )
    ),
    fields("a model of 257 characters", valid(model=(MARKER * 20)[:257]), "model"),
    fields("a list as model", valid(model=["waves"]), "model"),
    fields("an empty model", valid(model=""), "model"),
    fields("a number as model", valid(model=1), "model"),
    fields("a line break in the model", valid(model="waves\n"), "model"),
)
