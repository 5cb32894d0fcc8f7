"""The table of bad requests, for explanations.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from service.requests.media import PARQUET
from tests.service.bad_headers import GOOD
from tests.service.bad_options import PRICE, of_priced, priced
from tests.service.bad_requests import JSON, LOCKED, MARKER, BadRequest, encoded, fields, literal, refused
from tests.service.request_bodies import HISTORY, valid

PATH = "/v1/explain"


def whole(**changes: Any) -> dict[str, Any]:
    """A request for an explanation that is answered; top-level keys can be replaced, or removed by `...`."""
    return valid(**{"horizon": ..., "quantiles": ..., **changes})


def of_prices(**changes: Any) -> dict[str, Any]:
    """The same of the model with covariates; keys of its one series can be replaced, or removed by `...`."""
    document = priced(**{"known": {"price": [*PRICE, 1.0]}} | changes)
    return {key: value for key, value in document.items() if key not in ("horizon", "quantiles")}


_WHOLE = encoded(whole())

EXPLANATIONS = tuple(
    replace(case, path=case.path.replace("/v1/forecast", PATH))
    for case in (
        fields("two series to explain", whole(series=[*whole()["series"], {"id": "b"}]), "series"),
        fields("no series to explain", whole(series=[]), "series"),
        fields(
            "a series to explain with an unknown field",
            whole(series=[{**whole()["series"][0], MARKER[:4]: 1}]),
            "series.0.b7e2",
        ),
        fields("a horizon, to be explained", whole(horizon=4), "horizon"),
        fields("quantiles, to be explained", whole(quantiles=[0.5]), "quantiles"),
        *(
            fields(f"{name} `{text}`", json.loads(literal(whole(**{name: "@"}), text)), name)
            for name, texts in (
                ("step", ("0", "-1", "1.5", '"1"', "true", "4097")),
                ("num_path_points", ("0", "65", "1e9", "null")),
                ("hidden_share", ("0", "1", "-0.5", '"0.1"')),
                ("num_random_draws", ("0", "101", "[]")),
                ("seed", ("-1", "2147483648")),
                ("attention", ("1", '"yes"', "null")),
            )
            for text in texts
        ),
        refused("a step beyond the horizon", "step-out-of-range", whole(step=13)),
        refused("a frequency that the model to explain has not", "frequency-mismatch", whole(frequency="D")),
        refused(
            "no value that the model to explain looks at",
            "no-recent-value",
            whole(series=[{"id": "a", "start": "2024-01-01", "target": [*HISTORY[:9], *[None] * 60]}]),
        ),
        replace(
            fields("an explanation without its covariates", of_prices(known={}), "series.0.known.price"),
            code="missing-covariate",
            service="priced",
        ),
        of_priced(
            refused(
                "an explanation of steps ahead that are not known",
                "unknown-ahead",
                of_prices(known={"price": PRICE[: len(HISTORY) + 3]}),
            )
        ),
        BadRequest("an explanation by a model that is not served", 404, "unknown-model", encoded(whole(model=MARKER))),
        BadRequest(
            "an explanation of a table", 415, "unsupported-media-type", b"PAR1", headers=(("content-type", PARQUET),)
        ),
        BadRequest("a step in the query", 422, "invalid-fields", _WHOLE, "step", path=f"{PATH}?step=1"),
        BadRequest("an explanation of something that is not JSON", 400, "invalid-json", _WHOLE[:-1]),
        BadRequest(
            "an explanation in no time", 400, "invalid-header", _WHOLE, headers=(*JSON, ("x-request-deadline-ms", "0"))
        ),
        BadRequest("an explanation without a key", 401, "unauthorized", _WHOLE, service=LOCKED),
        BadRequest(
            "an explanation with a key for forecasts",
            403,
            "missing-scope",
            _WHOLE,
            headers=(*JSON, ("authorization", f"Bearer {GOOD}")),
            service=LOCKED,
        ),
        BadRequest("an explanation by GET", 405, "method-not-allowed", method="GET", headers=()),
    )
)
