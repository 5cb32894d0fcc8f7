"""POST /v1/backtest over a real socket: folds, equality with forecasts, scores by hand, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.answers.schemas import BacktestReply
from tests.pipelines.factories import priced_predictor
from tests.service.answers.factories import WAVE, answer, assert_refused, request_of
from tests.service.factories import app_of, asking
from tests.service.requests.test_covariates import priced_request

PATH = "/v1/backtest"


def backtest(service: httpx.Client, *targets: list[float | None], **options: Any) -> dict[str, Any]:
    return answer(service, PATH, request_of(*targets, **options))


def actual_of(one: dict[str, Any]) -> list[float | None]:
    return [value for window in one["windows"] for value in window["actual"]]


def test_the_reply_has_the_documented_shape(service: httpx.Client) -> None:
    body = request_of(WAVE, horizon=4, num_windows=2, quantiles=[0.5, 0.1, 0.9], intervals=[60])
    reply = service.post(PATH, json=body)
    assert reply.headers["content-type"] == "application/json"
    stages = {part.split(";")[0] for part in reply.headers["server-timing"].split(", ")}
    assert stages == {"queue", "compute", "serialise"}
    found = BacktestReply.model_validate_json(reply.content)
    assert (found.model.name, found.horizon) == ("waves", 4)
    (one,) = found.series
    assert [window.cutoff for window in one.windows] == ["2024-01-06T21:00:00", "2024-01-07T01:00:00"]
    assert one.windows[0].timestamps == [f"2024-01-06T{hour}:00:00" for hour in (22, 23)] + [
        "2024-01-07T00:00:00",
        "2024-01-07T01:00:00",
    ]
    assert one.windows[1].actual == WAVE[-4:]
    assert list(one.windows[0].quantiles) == ["0.1", "0.5", "0.9"]
    interval = one.windows[0].intervals["60"]
    assert all(np.less_equal(interval.lower, one.windows[0].quantiles["0.5"]))
    assert one.metrics is not None
    assert one.metrics.model == found.metrics.model
    assert sorted(one.metrics.model.coverage) == ["60", "80"]
    assert one.warnings == []


@pytest.mark.parametrize("horizon", [5, 12])
def test_each_window_is_what_a_forecast_of_the_history_up_to_there_says(service: httpx.Client, horizon: int) -> None:
    holes: list[float | None] = [*WAVE[:70], None, *WAVE[71:]]
    reply = backtest(service, holes, WAVE[:100], horizon=horizon, num_windows=3, step_size=7)
    for target, one in zip((holes, WAVE[:100]), reply["series"], strict=True):
        for number, window in enumerate(one["windows"]):
            cutoff = len(target) - horizon - 7 * (2 - number)
            forecast = answer(service, "/v1/forecast", request_of(target[:cutoff], horizon=horizon))["forecasts"][0]
            assert window["timestamps"] == forecast["timestamps"]
            for level, values in forecast["quantiles"].items():
                np.testing.assert_allclose(window["quantiles"][level], values, rtol=1e-5)
            assert window["actual"] == target[cutoff : cutoff + horizon]


def test_what_comes_after_a_cutoff_changes_nothing_but_the_actual_values(service: httpx.Client) -> None:
    changed = [*WAVE[:140], *(1e6 for _ in WAVE[140:])]
    first, second = (
        backtest(service, target, horizon=5, num_windows=3)["series"][0]["windows"] for target in (WAVE, changed)
    )
    assert [window["quantiles"] for window in first[:2]] == [window["quantiles"] for window in second[:2]]
    assert first[2]["quantiles"] != second[2]["quantiles"]
    assert second[2]["actual"] == [1e6] * 5


def test_series_alone_are_backtested_as_in_company(service: httpx.Client) -> None:
    targets = [WAVE, WAVE[:110], [-value for value in WAVE]]
    together = backtest(service, *targets, horizon=6, num_windows=4)["series"]
    for target, company in zip(targets, together, strict=True):
        (alone,) = backtest(service, target, horizon=6, num_windows=4)["series"]
        for one, other in zip(alone["windows"], company["windows"], strict=True):
            np.testing.assert_allclose(one["quantiles"]["0.5"], other["quantiles"]["0.5"], rtol=1e-5)
        assert alone["metrics"]["seasonal_naive"] == company["metrics"]["seasonal_naive"]


def test_scores_are_those_of_the_numbers_in_the_reply(service: httpx.Client) -> None:
    found = backtest(service, WAVE, horizon=4, num_windows=2, quantiles=[0.1, 0.5, 0.9])
    windows = found["series"][0]["windows"]
    median, low, high, actual = (
        np.array([window["quantiles"][level] if level else window["actual"] for window in windows])
        for level in ("0.5", "0.1", "0.9", "")
    )
    history = [WAVE[:142], WAVE[:146]]
    scales = [np.abs(np.subtract(seen[24:], seen[:-24])).mean() for seen in history]
    errors = np.abs(actual - median)
    model, naive = found["metrics"]["model"], found["metrics"]["seasonal_naive"]
    assert model["mase"] == pytest.approx(np.mean(errors.mean(axis=1) / scales))
    assert model["smape"] == pytest.approx(np.mean(200 * errors / (np.abs(actual) + np.abs(median))))
    pinball = sum(
        np.maximum(level * (actual - said), (level - 1) * (actual - said)).sum()
        for level, said in ((0.1, low), (0.5, median), (0.9, high))
    )
    assert model["wql"] == pytest.approx(2 * pinball / 3 / np.abs(actual).sum())
    assert model["coverage"] == {"80": pytest.approx(((actual >= low) & (actual <= high)).mean())}
    repeated = np.array([seen[-24:-20] for seen in history])
    assert naive["mase"] == pytest.approx(np.mean(np.abs(actual - repeated).mean(axis=1) / scales))


def test_history_is_forecast_block_after_block_to_its_very_end(service: httpx.Client) -> None:
    (one,) = backtest(service, WAVE, history=True)["series"]
    assert [len(window["timestamps"]) for window in one["windows"]] == [12] * 8 + [6]
    assert actual_of(one) == WAVE[48:]
    last = answer(service, "/v1/forecast", request_of(WAVE[:144], horizon=6))["forecasts"][0]
    assert one["windows"][-1]["timestamps"] == last["timestamps"]
    np.testing.assert_allclose(one["windows"][-1]["quantiles"]["0.9"], last["quantiles"]["0.9"], rtol=1e-5)
    longer = backtest(service, WAVE[:60], history=True, horizon=5, min_context=10)["series"][0]
    assert actual_of(longer) == WAVE[10:60]


def test_a_missing_value_is_null_and_scored_by_nobody(service: httpx.Client) -> None:
    holes: list[float | None] = [*WAVE[:147], None, None, None]
    found = backtest(service, holes, horizon=3)
    assert found["series"][0]["windows"][0]["actual"] == [None] * 3
    assert found["metrics"]["model"] == {"mase": None, "smape": None, "wql": None, "coverage": {
        "80": None, "60": None, "40": None, "20": None
    }}  # fmt: skip


def test_coverage_goes_by_the_names_of_the_intervals(service: httpx.Client) -> None:
    asked = [100 / 3, 66.66666666666667, 50]
    found = backtest(service, WAVE, horizon=3, intervals=asked)
    names = [repr(float(percent)).removesuffix(".0") for percent in asked]
    assert list(found["series"][0]["windows"][0]["intervals"]) == names
    for scores in (found["metrics"], found["series"][0]["metrics"]):
        assert all(set(names) <= set(scores[kind]["coverage"]) for kind in ("model", "seasonal_naive"))


def test_a_short_series_takes_part_as_far_as_it_reaches(service: httpx.Client) -> None:
    found = backtest(service, WAVE, WAVE[:57], WAVE[:20], horizon=4, num_windows=3)["series"]
    assert [len(one["windows"]) for one in found] == [3, 2, 0]
    assert [[warning["code"] for warning in one["warnings"]] for one in found] == [
        [],
        ["fewer-windows"],
        ["short-series", "fewer-windows"],
    ]
    assert "2 cutoff(s) of the 3 or more" in found[1]["warnings"][0]["message"]
    assert found[2]["metrics"] is None


def test_times_keep_the_zone_and_steps_their_numbers(service: httpx.Client) -> None:
    body = request_of(WAVE, horizon=2, timezone="Europe/Berlin")
    body["series"][0]["start"] = "2024-10-21T00:00:00"
    (window,) = answer(service, PATH, body)["series"][0]["windows"]
    assert window["cutoff"] == "2024-10-27T02:00:00+01:00"
    assert window["timestamps"] == ["2024-10-27T03:00:00+01:00", "2024-10-27T04:00:00+01:00"]
    body["series"][0]["start"] = "2024-10-21T00:00:00Z"
    (window,) = answer(service, PATH, body | {"timezone": None})["series"][0]["windows"]
    assert window["cutoff"] == "2024-10-27T03:00:00Z"


@pytest.mark.parametrize(
    ("options", "code", "field", "said"),
    [
        ({"num_windows": 0}, "invalid-fields", "num_windows", "greater than or equal to 1"),
        ({"step_size": 0}, "invalid-fields", "step_size", "greater than or equal to 1"),
        ({"num_windows": "2"}, "invalid-fields", "num_windows", "valid integer"),
        ({"samples": {"number": 2}}, "invalid-fields", "samples", "is unknown"),
        ({"min_context": 0}, "invalid-fields", "min_context", "greater than or equal to 1"),
        ({"history": True, "num_windows": 2}, "invalid-fields", "num_windows", "no meaning with history"),
        ({"history": True, "step_size": 2}, "invalid-fields", "step_size", "no meaning with history"),
        ({"num_windows": 10_001}, "invalid-fields", "num_windows", "at most 10000 are allowed"),
        ({"horizon": 13}, "horizon-out-of-range", "", "outside 1..12"),
        ({"intervals": [99]}, "level-out-of-range", "", "reach outside 0.1..0.9"),
        ({"quantiles": [0.5, 0.5]}, "invalid-levels", "", "once each"),
        ({"frequency": "D"}, "frequency-mismatch", "", "was trained on 'h'"),
        ({"num_windows": 100}, "too-short", "", "the longest series has 150 steps"),
        ({"history": True, "min_context": 150}, "too-short", "", "lower min_context"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(
    service: httpx.Client, options: dict[str, Any], code: str, field: str, said: str
) -> None:
    assert_refused(service.post(PATH, json=request_of(WAVE, **options)), code, field, said)


def test_limits_are_told_before_anything_is_computed(tmp_path: Path) -> None:
    app = app_of(priced_predictor(), tmp_path, max_windows=10, max_numbers=140)

    def refused(**options: Any) -> dict[str, str]:
        body = priced_request() | {"horizon": 5, "quantiles": [0.1, 0.5, 0.9], **options}
        reply = asking(app, lambda client: client.post(PATH, json=body))
        assert reply.status_code == 422, reply.text
        (error,) = reply.json()["errors"]
        return error

    app.state.service.batcher.close()  # whoever computes gets 503
    assert refused(num_windows=6) == {
        "field": "num_windows",
        "message": "6 forecasts of each of 2 series, at most 10 are allowed",
    }
    assert refused(history=True, horizon=1, min_context=30)["message"].endswith("at most 10 are allowed")
    assert refused(num_windows=5, step_size=1, min_context=30) == {
        "field": "num_windows",
        "message": "10 forecasts x 5 steps x 3 levels are 150 numbers, at most 140 are allowed",
    }


def test_known_covariates_are_read_at_the_steps_that_are_forecast(tmp_path: Path) -> None:
    app = app_of(priced_predictor(), tmp_path)
    body = priced_request() | {"horizon": 5, "num_windows": 2, "min_context": 20}
    cut = priced_request() | {"horizon": 5}
    for one in cut["series"]:
        one["target"] = one["target"][:-5]
        one["known"]["price"] = one["known"]["price"][: len(one["target"]) + 10]

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post(PATH, json=body), await client.post("/v1/forecast", json=cut)]

    rolled, forecast = asking(app, ask)
    assert rolled.status_code == 200, rolled.text
    for one, other in zip(rolled.json()["series"], forecast.json()["forecasts"], strict=True):
        assert one["windows"][-1]["timestamps"] == other["timestamps"]
        np.testing.assert_allclose(one["windows"][-1]["quantiles"]["0.5"], other["quantiles"]["0.5"], rtol=1e-5)
