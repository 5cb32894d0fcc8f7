"""The table of bad requests for data reports: what is theirs alone.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.service.bad_requests import BadRequest, encoded, fields, refused

PATH = "/v1/report"

_DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def whole(**changes: Any) -> dict[str, Any]:
    """A report that is given; keys of its one series can be replaced, or removed by `...`."""
    series: dict[str, Any] = {"id": "a", "timestamps": _DAYS, "target": [1.0, 2.0, 4.0]} | changes
    return {"series": [{key: value for key, value in series.items() if value is not ...}]}


REPORTS = tuple(
    replace(case, what=f"report: {case.what}", path=PATH)
    for case in (
        fields("`{}`", {}, "series"),
        fields("no series", {"series": []}, "series"),
        fields("a model", {**whole(), "model": "waves"}, "model"),
        fields("covariates", whole(past={"price": [1.0, 2.0, 3.0]}), "series.0.past"),
        fields("a start without a frequency", whole(start="2024-01-01", timestamps=...), "series.0.timestamps"),
        fields("the same id twice", {"series": [*whole()["series"], *whole()["series"]]}, "series"),
        fields(
            "times beside integers",
            {"series": [*whole()["series"], {"id": "b", "timestamps": [1, 2, 3], "target": [1.0, 2.0, 3.0]}]},
            "series",
        ),
        refused("two timestamps", "frequency-needed", whole(timestamps=_DAYS[:2], target=[1.0, 2.0])),
        refused("timestamps that descend", "unsorted", whole(timestamps=_DAYS[::-1])),
        refused("no value", "no-observed-value", whole(target=[None, None, None])),
        refused("an unknown frequency", "unknown-frequency", {**whole(), "frequency": "fortnight"}),
        BadRequest("CSV", 415, "unsupported-media-type", b"ds,y\n", headers=(("content-type", "text/csv"),)),
        BadRequest("half a document", 400, "invalid-json", encoded(whole())[:-2]),
    )
)
