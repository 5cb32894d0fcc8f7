"""The tables of bad requests for jobs, and for orders of fine-tuned models: what is theirs alone.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.service.bad_headers import GOOD
from tests.service.bad_requests import JSON, LOCKED, BadRequest, encoded, fields, refused
from tests.service.request_bodies import valid

PATH = "/v1/jobs"
_NOBODYS = f"{PATH}/{'0' * 32}"
_VALID = encoded(valid())


def to(kind: str, case: BadRequest) -> BadRequest:
    return replace(case, path=f"{PATH}/{kind}")


def asking(what: str, status: int, code: str, path: str, *, method: str = "GET", field: str = "") -> BadRequest:
    return BadRequest(what, status, code, field=field, path=path, method=method, headers=())


JOBS = (
    to("forecast", fields("a job for a forecast without series", {}, "series")),
    to("backtest", fields("a job for a backtest of no windows", valid(num_windows=0), "num_windows")),
    to("anomalies", fields("a job for anomalies with a horizon", valid(quantiles=...), "horizon")),
    to("forecast", refused("a job of another frequency than the model's", "frequency-mismatch", valid(frequency="D"))),
    to(
        "forecast", BadRequest("a job for a model that is not served", 404, "unknown-model", encoded(valid(model="no")))
    ),
    to("forecast", BadRequest("a job of something that is not JSON", 400, "invalid-json", _VALID[:-1])),
    to("explain", BadRequest("a job of a kind that there is not", 404, "not-found", _VALID)),
    to(
        "forecast",
        BadRequest(
            "a job of a table",
            415,
            "unsupported-media-type",
            b"PAR1",
            headers=(("content-type", "application/vnd.apache.parquet"),),
        ),
    ),
    to("forecast?horizon=4", BadRequest("a job with an option in the query", 422, "invalid-fields", _VALID, "horizon")),
    *(
        to("forecast", BadRequest(what, 400, "invalid-header", _VALID, headers=(*JSON, *keys)))
        for what, keys in (
            ("a job with an empty Idempotency-Key", (("idempotency-key", ""),)),
            ("a job with an Idempotency-Key of 256 characters", (("idempotency-key", "k" * 256),)),
            ("a job with two keys", (("idempotency-key", "a"), ("idempotency-key", "b"))),
        )
    ),
    to("forecast", BadRequest("a job without a key", 401, "unauthorized", _VALID, service=LOCKED)),
    asking("a job that is not there", 404, "unknown-job", _NOBODYS),
    asking("the result of a job that is not there", 404, "unknown-job", f"{_NOBODYS}/result"),
    asking("a job that is not there, to be cancelled", 404, "unknown-job", f"{_NOBODYS}/cancel", method="POST"),
    asking("an id of a job that is none", 404, "not-found", f"{PATH}/xyz"),
    asking("no jobs of a list", 422, "invalid-fields", f"{PATH}?limit=0", field="query.limit"),
    asking("201 jobs of a list", 422, "invalid-fields", f"{PATH}?limit=201", field="query.limit"),
    asking("jobs before something that is no id", 422, "invalid-fields", f"{PATH}?before=now", field="query.before"),
    asking("a list of jobs, by DELETE", 405, "method-not-allowed", PATH, method="DELETE"),
)


def order(**changes: Any) -> dict[str, Any]:
    """A request to fine-tune that is accepted; top-level keys can be replaced."""
    return valid(**{"horizon": ..., "quantiles": ..., **changes})


def to_finetune(case: BadRequest) -> BadRequest:
    return replace(case, path="/v1/finetune")


FINETUNES = (
    *(
        to_finetune(case)
        for case in (
            *(
                fields(f"fine-tuning: the name `{name}`", order(name=name), "name")
                for name in ("sales", "ft-", "ft-a/b", f"ft-{'a' * 98}")
            ),
            *(
                fields(f"fine-tuning: {field} `{value}`", order(**{field: value}), field)
                for field, values in (
                    ("max_steps", (0, 2001, 1.5)),
                    ("learning_rate", (0, 0.2)),
                    ("trained_blocks", (-1, 2)),
                )
                for value in values
            ),
            fields("fine-tuning: a horizon", order(horizon=4), "horizon"),
            fields("fine-tuning: no series", order(series=[]), "series"),
            refused("fine-tuning: another frequency than the model's", "frequency-mismatch", order(frequency="D")),
            refused(
                "fine-tuning: series too short to be trained on",
                "too-short",
                order(series=[{"id": "a", "start": "2024-01-01", "target": [1.0] * 20}]),
            ),
            BadRequest("fine-tuning: a model that is not served", 404, "unknown-model", encoded(order(model="no"))),
            BadRequest("fine-tuning: something that is not JSON", 400, "invalid-json", b"{"),
            BadRequest(
                "fine-tuning: a key for forecasts",
                403,
                "missing-scope",
                encoded(order()),
                headers=(*JSON, ("authorization", f"Bearer {GOOD}")),
                service=LOCKED,
            ),
        )
    ),
    asking("a fine-tuned model that is not there", 404, "unknown-model", "/v1/finetuned/ft-no"),
    asking(
        "a fine-tuned model that is not there, to be deleted",
        404,
        "unknown-model",
        "/v1/finetuned/ft-no",
        method="DELETE",
    ),
)
