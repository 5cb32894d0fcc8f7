"""POST /v1/anomalies over a real socket: spikes found, forecasts made before what they judge, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from service.answers.schemas import AnomalyReply
from tests.pipelines.factories import priced_predictor
from tests.service.answers.factories import WAVE, answer, assert_refused, request_of
from tests.service.factories import app_of, asking
from tests.service.requests.test_covariates import priced_request
from tests.test_predictor import network

PATH = "/v1/anomalies"


def anomalies(service: httpx.Client, *targets: list[float | None], **options: Any) -> dict[str, Any]:
    return answer(service, PATH, request_of(*targets, **options))


def spiked(step: int, by: float = 50.0) -> list[float | None]:
    return [*WAVE[:step], WAVE[step] + by, *WAVE[step + 1 :]]


def test_the_reply_has_the_documented_shape_and_finds_a_spike(service: httpx.Client) -> None:
    reply = service.post(PATH, json=request_of(spiked(100)))
    found = AnomalyReply.model_validate_json(reply.content)
    assert (found.model.name, found.level, found.extrapolated) == ("waves", 99.0, True)
    (one,) = found.series
    assert len(one.timestamps) == len(one.anomaly) == len(one.score) == 150 - 48
    assert (one.timestamps[0], one.timestamps[-1]) == ("2024-01-03T00:00:00", "2024-01-07T05:00:00")
    assert one.actual == spiked(100)[48:]
    assert one.anomaly[52]
    assert one.accumulated_score == []
    scores, lower, median, upper, actual = (
        np.array(values, dtype=float) for values in (one.score, one.lower, one.median, one.upper, one.actual)
    )
    assert scores.argmax() == 52
    half = np.where(actual > median, upper - median, median - lower)
    np.testing.assert_allclose(scores, np.abs(actual - median) / half)
    np.testing.assert_array_equal(one.anomaly, (actual < lower) | (actual > upper))


def test_the_last_steps_are_judged_by_forecasts_made_before_them(service: httpx.Client) -> None:
    target = spiked(148)
    (one,) = anomalies(service, target, level=80, detection_size=5, step_size=2)["series"]
    assert one["actual"] == target[145:]
    assert one["anomaly"][3]
    for cutoff, places in ((145, [0, 1]), (147, [2, 3]), (149, [4])):
        body = request_of(target[:cutoff], horizon=len(places), intervals=[80], quantiles=[0.5])
        (forecast,) = answer(service, "/v1/forecast", body)["forecasts"]
        assert [one["timestamps"][place] for place in places] == forecast["timestamps"]
        for name, said in (("median", forecast["quantiles"]["0.5"]), *forecast["intervals"]["80"].items()):
            np.testing.assert_allclose([one[name][place] for place in places], said, rtol=1e-5)


def test_the_accumulated_score_takes_series_together(service: httpx.Client) -> None:
    found = anomalies(service, WAVE, spiked(148), WAVE[:148], detection_size=3, step_size=1)["series"]
    first, second, earlier = (one["accumulated_score"] for one in found)
    assert first == second
    assert first[1] > 1
    assert not any(found[0]["anomaly"])
    assert earlier[2] == first[0]  # of the one hour that all three have
    (alone,) = anomalies(service, spiked(148), detection_size=3, step_size=1)["series"]
    np.testing.assert_allclose(alone["accumulated_score"], alone["score"])


def test_series_alone_are_judged_as_in_company(service: httpx.Client) -> None:
    targets = [spiked(100), WAVE[:110]]
    for target, company in zip(targets, anomalies(service, *targets)["series"], strict=True):
        (alone,) = anomalies(service, target)["series"]
        np.testing.assert_allclose(alone["score"], company["score"], rtol=1e-4, atol=1e-6)


def test_a_missing_value_is_no_anomaly_and_has_no_score(service: httpx.Client) -> None:
    target: list[float | None] = [*WAVE[:148], None, WAVE[149]]
    (one,) = anomalies(service, target, detection_size=2, step_size=1)["series"]
    assert (one["actual"][0], one["anomaly"][0], one["score"][0], one["accumulated_score"][0]) == (
        None,
        False,
        None,
        None,
    )
    assert one["score"][1] is not None


def test_a_gap_that_leaves_nothing_to_see_is_left_out(service: httpx.Client) -> None:
    target: list[float | None] = [*WAVE[:60], *([None] * 60), *WAVE[:20]]
    (one,) = anomalies(service, target, step_size=1)["series"]
    judged = [stamp for stamp, value in zip(one["timestamps"], one["actual"], strict=True) if value is not None]
    assert len(judged) == 12 + 19  # of the value after the gap, nothing was known
    assert one["timestamps"][-1] == "2024-01-06T19:00:00"
    assert len(one["timestamps"]) == 140 - 48 - 13


def test_a_series_without_context_is_told_so(service: httpx.Client) -> None:
    found = anomalies(service, WAVE, WAVE[:40], detection_size=2)["series"][1]
    assert (found["timestamps"], found["score"], found["accumulated_score"]) == ([], [], [])
    assert [warning["code"] for warning in found["warnings"]] == ["short-series", "fewer-windows"]


def test_steps_that_are_asked_for_and_not_judged_are_told(service: httpx.Client) -> None:
    """Of 50 steps, 48 have to be seen first."""
    one, other = anomalies(service, WAVE[:50], WAVE[:53], detection_size=5)["series"]
    assert (len(one["score"]), len(other["score"])) == (2, 5)
    assert [[warning["code"] for warning in found["warnings"]] for found in (one, other)] == [["fewer-windows"], []]
    assert one["warnings"][0]["message"].startswith("2 step(s) of the 5 that are asked for are forecast: before others")


def test_a_model_that_reaches_so_far_is_asked_for_the_interval_itself(tmp_path: Path) -> None:
    app = app_of(Predictor(network(head="student_t"), Frequency.parse("h")), tmp_path)
    target = WAVE[:60]
    asked = request_of(target, detection_size=4)
    cut = request_of(target[:56], horizon=4, intervals=[99])

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post(PATH, json=asked), await client.post("/v1/forecast", json=cut)]

    found, forecast = (reply.json() for reply in asking(app, ask))
    assert found["extrapolated"] is False
    interval = forecast["forecasts"][0]["intervals"]["99"]
    np.testing.assert_allclose(found["series"][0]["upper"], interval["upper"], rtol=1e-5)


def test_a_model_with_covariates_judges_with_them(tmp_path: Path) -> None:
    app = app_of(priced_predictor(), tmp_path)
    body = {key: value for key, value in priced_request().items() if key not in ("horizon", "quantiles")}
    reply = asking(app, lambda client: client.post(PATH, json=body | {"detection_size": 3}))
    assert reply.status_code == 200, reply.text
    assert [len(one["score"]) for one in reply.json()["series"]] == [3, 3]


def test_a_model_of_one_level_has_no_interval(tmp_path: Path) -> None:
    app = app_of(Predictor(network(head="mae"), Frequency.parse("h")), tmp_path)
    reply = asking(app, lambda client: client.post(PATH, json=request_of(WAVE)))
    assert (reply.status_code, reply.json()["code"]) == (422, "level-out-of-range")


@pytest.mark.parametrize(
    ("options", "code", "field", "said"),
    [
        ({"level": 100}, "invalid-fields", "level", "less than or equal to 99.9"),
        ({"level": 0}, "invalid-fields", "level", "greater than 0"),
        ({"level": "99"}, "invalid-fields", "level", "valid number"),
        ({"detection_size": 0}, "invalid-fields", "detection_size", "greater than or equal to 1"),
        ({"step_size": 0}, "invalid-fields", "step_size", "greater than or equal to 1"),
        ({"step_size": 13}, "invalid-fields", "step_size", "this model forecasts 12 steps"),
        ({"horizon": 3}, "invalid-fields", "horizon", "is unknown"),
        ({"detection_size": 10_001, "step_size": 1}, "invalid-fields", "detection_size", "at most 10000 are allowed"),
        ({"min_context": 150}, "too-short", "", "lower min_context"),
        ({"frequency": "D"}, "frequency-mismatch", "", "was trained on 'h'"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(
    service: httpx.Client, options: dict[str, Any], code: str, field: str, said: str
) -> None:
    assert_refused(service.post(PATH, json=request_of(WAVE, **options)), code, field, said)
