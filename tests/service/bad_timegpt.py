"""The table of bad requests in TimeGPT's dialect: what is its alone.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.service.bad_headers import GOOD
from tests.service.bad_requests import JSON, LOCKED, PRICED, BadRequest, encoded, fields, refused
from tests.service.request_bodies import HISTORY
from tests.service.timegpt_bodies import (
    ANOMALIES,
    CROSS_VALIDATION,
    FINETUNE,
    FORECAST,
    ONLINE,
    anomalies,
    cross_validation,
    finetune,
    forecast,
    in_sample,
    online,
    series_of,
)

_ROW, _AHEAD = [1.0] * len(HISTORY), [1.0] * 4


def to(path: str, case: BadRequest) -> BadRequest:
    return replace(case, what=f"{path.removeprefix('/v2/')}: {case.what}", path=path)


def sent(**changes: Any) -> dict[str, Any]:
    """A forecast of series that are changed."""
    return forecast({"X_future": None, **series_of(HISTORY, **changes)})


def asked(path: str, status: int, code: str, what: str, *, method: str = "GET", field: str = "") -> BadRequest:
    return BadRequest(what, status, code, field=field, method=method, path=path, headers=())


def later(task: str, case: BadRequest) -> BadRequest:
    return replace(case, what=f"{task}/async: {case.what}", path=f"/v2/{task}/async")


FORECASTS = (
    *(fields(f"h `{text}`", forecast(h=value), "h") for text, value in (
        ("0", 0), ("-1", -1), ("4097", 4097), ('"4"', "4"), ("null", None), ("[4]", [4])
    )),
    *(fields(f"level `{text}`", forecast(level=value), field) for text, value, field in (
        ("80", 80, "level"), ("[100]", [100], "level.0"), ("[-1]", [-1], "level.0"), ('["80"]', ["80"], "level.0"),
        ("[[80]]", [[80]], "level.0")
    )),
    fields("50 levels", forecast(level=[1 + number / 2 for number in range(50)]), "level"),
    refused("a level beyond those of the model", "level-out-of-range", forecast(level=[99])),
    refused("another frequency than that of a model by its name", "frequency-mismatch", forecast(
        model="waves", freq="D"
    )),
    refused("a frequency that there is not", "unknown-frequency", forecast(freq="15m")),
    fields("a frequency of 21 letters", forecast(freq="h" * 21), "freq"),
    BadRequest("a model that is not served", 404, "unknown-model", encoded(forecast(model="prices"))),
    fields("no model", forecast(model=...), "model"),
    fields("finetune_steps `1`", forecast(finetune_steps=1), "finetune_steps"),
    fields("finetune_steps `-1`", forecast(finetune_steps=-1), "finetune_steps"),
    fields("finetune_depth `6`", forecast(finetune_depth=6), "finetune_depth"),
    fields("the name of a fine-tuned model without ft-", forecast(finetuned_model_id="mine"), "finetuned_model_id"),
    BadRequest("a fine-tuned model that is not there", 404, "unknown-model", encoded(
        forecast(finetuned_model_id="ft-no")
    )),
    fields("job_options", forecast(job_options={}), "job_options"),
    fields("feature_contributions", forecast(feature_contributions=True), "feature_contributions"),
    fields("multivariate, for a model that forecasts each series alone", forecast(multivariate=True), "multivariate"),
    fields("an unknown model parameter", forecast(model_parameters={"season_length": 24}),
           "model_parameters.season_length"),
    fields("model_parameters `[]`", forecast(model_parameters=[]), "model_parameters"),
    fields("an unknown field", forecast(n_paths=3), "n_paths"),
    fields("`series` as a list", forecast() | {"series": [1.0, 2.0]}, "series"),
    fields("`series` null", forecast() | {"series": None}, "series"),
    fields("y empty", sent(y=[], sizes=[]), "series.y"),
    fields("y with a text", sent(y=["1", 2.0], sizes=[2]), "series.y.0"),
    fields("y nested", sent(y=[HISTORY]), "series.y.0"),
    fields("no sizes", sent(sizes=...), "series.sizes"),
    fields("sizes with 0", sent(sizes=[len(HISTORY), 0]), "series.sizes.1"),
    fields("sizes with 1.5", sent(sizes=[1.5]), "series.sizes.0"),
    fields("sizes with 10^20", sent(sizes=[10**20]), "series.sizes.0"),
    fields("sizes of more values than there are", sent(sizes=[len(HISTORY) + 1]), "series.sizes"),
    fields("a series too many", sent(y=[1.0] * 9, sizes=[1] * 9), "series.sizes"),
    fields("a point too many, in X", sent(
        y=[1.0] * 1000, sizes=[1000], X=[[1.0] * 1000] * 20
    ), "series"),
    fields("101 rows of X", sent(X=[[1.0]] * 101), "series.X"),
    fields("X `[[]]`", sent(X=[[]]), "series.X.0"),
    fields("X with a text", sent(X=[["a"]]), "series.X.0.0"),
    fields("X nested deeper", sent(X=[[[1.0]]]), "series.X.0.0"),
    fields("X that is short of values", sent(X=[_ROW[1:]]), "series.X.0"),
    fields("X that the model does not read", sent(X=[_ROW]), "series.X"),
    fields("X_future without X", sent(X_future=[_AHEAD]), "series.X_future"),
    fields("X_future that is short of steps", sent(X=[_ROW], X_future=[_AHEAD[1:]]), "series.X_future.0"),
    fields("names for X that is not there", forecast(model_parameters={"exogenous": ["price"]}),
           "model_parameters.exogenous"),
    fields("a categorical feature", sent(X=[["a"] * len(HISTORY)], categorical_exog=[0]), "series.categorical_exog"),
    fields("a start too many", sent(start_datetime=["2024-01-01"] * 2), "series.start_datetime"),
    fields("a start that is no time", sent(start_datetime=["2024-13-01"]), "series.start_datetime.0"),
    fields("a start in words", sent(start_datetime=["yesterday"]), "series.start_datetime.0"),
    refused("no value at all", "no-observed-value", sent(y=[None] * 60)),
    refused("a value beyond all bounds", "value-out-of-range", sent(y=[1e40] * 60)),
    BadRequest("NaN", 400, "invalid-json", b'{"series": {"y": [NaN], "sizes": [1]}}'),
    BadRequest("an empty body", 400, "invalid-json"),
    BadRequest("a table", 415, "unsupported-media-type", headers=(("content-type", "application/vnd.apache.parquet"),)),
    replace(fields("what whole series have, of a model that reads it", forecast(), "series"), code="missing-covariate",
            service=PRICED),
)  # fmt: skip

TIMEGPT = (
    *(to(FORECAST, case) for case in FORECASTS),
    *(
        to(CROSS_VALIDATION, case)
        for case in (
            *(fields(f"n_windows `{text}`", cross_validation(n_windows=value), "n_windows") for text, value in (
                ("0", 0), ("true", True), ("1.5", 1.5)
            )),
            fields("step_size `0`", cross_validation(step_size=0), "step_size"),
            fields("a forecast too many", cross_validation(n_windows=10_001), "n_windows"),
            fields("full_history `1`", in_sample(full_history=1), "full_history"),
            fields("hist_exog without X", cross_validation(hist_exog=[0]), "hist_exog"),
            fields("hist_exog `[-1]`", cross_validation(hist_exog=[-1]), "hist_exog.0"),
            fields("X_future", cross_validation(series_of(HISTORY, X=[_ROW], X_future=[_AHEAD])), "series.X_future"),
            refused("a horizon beyond the model's", "horizon-out-of-range", cross_validation(h=13)),
            refused("more windows than the series are long", "too-short", cross_validation(n_windows=60)),
            refused("a history that is too short", "too-short", in_sample(series_of(HISTORY[:20]))),
        )
    ),
    *(
        to(ANOMALIES, case)
        for case in (
            *(fields(f"level `{text}`", anomalies(level=value), "level") for text, value in (
                ("0", 0), ("100", 100), ("99.95", 99.95), ("[80]", [80])
            )),
            fields("h", anomalies(h=4), "h"),
        )
    ),
    *(
        to(ONLINE, case)
        for case in (
            fields("no detection_size", online(detection_size=...), "detection_size"),
            fields("detection_size `0`", online(detection_size=0), "detection_size"),
            fields("h beyond the model's horizon", online(h=13), "h"),
            fields("steps that no forecast would judge", online(step_size=5), "step_size"),
            fields("an unknown threshold_method", online(threshold_method="any"), "threshold_method"),
            fields("a forecast too many", online(detection_size=10_001, h=1, step_size=1), "detection_size"),
        )
    ),
    *(
        to(FINETUNE, case)
        for case in (
            *(fields(f"{field} `{value}`", finetune(**{field: value}), field) for field, values in (
                ("finetune_steps", (0, 2001, 1.5)), ("finetune_depth", (0, 6)), ("finetune_loss", ("mae",)),
                ("output_model_id", ("mine", "ft-", "ft-a/b")), ("finetuned_model_id", ("mine",)), ("h", (4,)),
            ) for value in values),
            fields("an end to the time of a training", finetune(job_options={"timeout_seconds": 60}), "job_options"),
            fields("X that the model does not read", finetune(series_of(HISTORY, X=[_ROW])), "series.X"),
            refused("series too short to be trained on", "too-short", finetune(series_of(HISTORY[:20]))),
            refused("another frequency than that of a model by its name", "frequency-mismatch", finetune(
                model="waves", freq="D"
            )),
            BadRequest("a base that is not there", 404, "unknown-model", encoded(finetune(finetuned_model_id="ft-no"))),
            BadRequest("a key for forecasts", 403, "missing-scope", encoded(finetune()),
                       headers=(*JSON, ("authorization", f"Bearer {GOOD}")), service=LOCKED),
        )
    ),
    *(
        later("forecast", case)
        for case in (
            *(fields(f"timeout_seconds `{value}`", forecast(job_options={"timeout_seconds": value}),
                     "job_options.timeout_seconds") for value in (0, 3601, 1.5)),
            fields("job_options `[]`", forecast(job_options=[]), "job_options"),
            fields("an unknown option", forecast(job_options={"priority": 1}), "job_options.priority"),
            fields("h `0`", forecast(h=0), "h"),
            BadRequest("something that is not JSON", 400, "invalid-json", b'{"job_options": '),
            BadRequest("without a key", 401, "unauthorized", encoded(forecast()), service=LOCKED),
        )
    ),
    later("anomaly_detection", fields("the whole history", anomalies(), "h")),
    later("simulate", fields("a task that there is not", forecast(), "path.task")),
    later("finetune", fields("finetune_loss `mse`", finetune(finetune_loss="mse"), "finetune_loss")),
    asked(f"/v2/forecast/jobs/{'0' * 32}", 404, "unknown-job", "jobs of TimeGPT: one that is not there"),
    asked("/v2/forecast/jobs/xyz", 422, "invalid-fields", "jobs of TimeGPT: an id that is none", field="path.job_id"),
    asked(f"/v2/explain/jobs/{'0' * 32}", 422, "invalid-fields", "jobs of TimeGPT: of a task that there is not",
          field="path.task"),
    asked(f"/v2/async/jobs/{'0' * 32}/cancel", 404, "unknown-job",
          "jobs of TimeGPT: one that is not there, to be cancelled", method="POST"),
    asked("/v2/finetuned_models/ft-no", 404, "unknown-model", "finetuned_models: one that is not there"),
    asked("/v2/finetuned_models/ft-no", 404, "unknown-model", "finetuned_models: one that is not there, to be deleted",
          method="DELETE"),
    asked("/model_params?model=timegpt-1", 422, "invalid-fields", "model_params: no freq"),
    asked("/model_params?model=waves&freq=D", 422, "frequency-mismatch", "model_params: another frequency"),
    asked("/model_params?model=prices&freq=D", 404, "unknown-model", "model_params: a model that is not served"),
    asked("/usage", 404, "not-counted", "usage: a service without keys"),
    asked("/v2/forecast", 405, "method-not-allowed", "forecast: by GET"),
)  # fmt: skip
