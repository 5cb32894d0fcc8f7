"""The table of bad requests for backtests and anomalies: what is theirs alone.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.answers.operations import ANOMALIES, BACKTEST
from tests.service.bad_requests import BadRequest, encoded, fields, refused
from tests.service.request_bodies import HISTORY, valid


def backtest(case: BadRequest) -> BadRequest:
    path = case.path if case.path.startswith(BACKTEST) else BACKTEST
    return replace(case, what=f"backtest: {case.what}", path=path)


def anomalies(case: BadRequest) -> BadRequest:
    return replace(case, what=f"anomalies: {case.what}", path=ANOMALIES)


def judged(**changes: Any) -> dict[str, Any]:
    """A request for anomalies; top-level keys can be replaced."""
    return valid(horizon=..., quantiles=..., **changes)


_PAIR = [{"id": name, "start": "2024-01-01", "target": HISTORY} for name in ("a", "b")]

ANSWERS = (
    *(
        backtest(case)
        for case in (
            *(fields(f"num_windows `{text}`", valid(num_windows=value), "num_windows") for text, value in (
                ("0", 0), ("-1", -1), ("true", True), ('"2"', "2"), ("2.0", 2.0), ("10^20", 10**20)
            )),
            *(fields(f"step_size `{text}`", valid(step_size=value), "step_size") for text, value in (
                ("0", 0), ("1.5", 1.5), ("[]", [])
            )),
            fields("history `1`", valid(history=1), "history"),
            fields("num_windows beside history", valid(history=True, num_windows=2), "num_windows"),
            fields("step_size beside history", valid(history=True, step_size=2), "step_size"),
            fields("min_context `0`", valid(min_context=0), "min_context"),
            fields("samples", valid(samples={"number": 3}), "samples"),
            fields("roll_out", valid(roll_out=True), "roll_out"),
            fields("a forecast too many", valid(series=_PAIR, num_windows=5001), "num_windows"),
            refused("more windows than the series are long", "too-short", valid(num_windows=60)),
            refused("more context than there is", "too-short", valid(history=True, min_context=60)),
            refused("a horizon beyond the model's", "horizon-out-of-range", valid(horizon=13)),
            refused("an interval beyond the model's levels", "level-out-of-range", valid(intervals=[90])),
            refused("another frequency than the model's", "frequency-mismatch", valid(frequency="D")),
            fields("`{}`", {}, "series"),
            BadRequest("an empty body", 400, "invalid-json"),
            BadRequest("a table", 415, "unsupported-media-type", headers=(
                ("content-type", "application/vnd.apache.parquet"),
            )),
            replace(fields("an option in the query", valid(), "num_windows"), path=f"{BACKTEST}?num_windows=2"),
        )
    ),
    *(
        anomalies(case)
        for case in (
            *(fields(f"level `{text}`", judged(level=value), "level") for text, value in (
                ("0", 0), ("100", 100), ("[99]", [99]), ("true", True)
            )),
            *(fields(f"detection_size `{text}`", judged(detection_size=value), "detection_size") for text, value in (
                ("0", 0), ("-3", -3), ('"3"', "3")
            )),
            fields("step_size `0`", judged(step_size=0), "step_size"),
            fields("a step_size beyond the model's horizon", judged(step_size=13), "step_size"),
            fields("horizon", judged() | {"horizon": 4}, "horizon"),
            fields("quantiles", judged() | {"quantiles": [0.5]}, "quantiles"),
            fields(
                "a forecast too many", judged(series=_PAIR, detection_size=5001, step_size=1), "detection_size"
            ),
            refused("more context than there is", "too-short", judged(min_context=60)),
            fields("`null`", None, "body"),
            BadRequest("half a document", 400, "invalid-json", encoded(judged())[:-1]),
        )
    ),
)  # fmt: skip
