"""TimeGPT's dialect over HTTP: its numbers are those of /v1, at the places that its clients look for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.config import CovariateConfig
from forecaster.predictor import Predictor
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.dialects.timegpt.operations import OPERATIONS
from service.openapi import Operation
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.answers.factories import WAVE
from tests.service.factories import app_of, on_a_socket
from tests.service.timegpt_bodies import (
    ANOMALIES,
    CROSS_VALIDATION,
    FORECAST,
    ONLINE,
    Target,
    anomalies,
    cross_validation,
    forecast,
    in_sample,
    online,
    series_of,
)

START = "2024-01-01"
GAPPY: list[float | None] = [None, None, None, *WAVE[3:60], None, *WAVE[61:97]]
TARGETS = (WAVE, GAPPY)


@contextmanager
def served(predictor: Predictor, home: Path, **settings: Any) -> Iterator[httpx.Client]:
    """Serves a predictor as 'waves' on a real socket."""
    with on_a_socket(
        app_of(predictor, home, **settings), Settings(home=home, registry_uri="http://127.0.0.1:1", port=0)
    ) as client:
        yield client


def answer(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def v1(client: httpx.Client, task: str, targets: tuple[Target, ...] = TARGETS, **options: Any) -> dict[str, Any]:
    """Gives what /v1 answers for the same series, with ids and starts."""
    series = [{"id": str(number), "start": START, "target": target} for number, target in enumerate(targets)]
    return answer(client, f"/v1/{task}", {"model": "waves", "series": series, **options})


def joined(parts: list[list[float]]) -> list[float]:
    return [number for part in parts for number in part]


def assert_ends(found: dict[str, Any], bounds: list[dict[str, Any]], percent: str) -> None:
    for key, end in (("lo", "lower"), ("hi", "upper")):
        assert found["intervals"][f"{key}-{percent}"] == joined([one[percent][end] for one in bounds])


def test_a_forecast_has_the_numbers_of_v1(service: httpx.Client) -> None:
    found = answer(service, FORECAST, forecast(series_of(*TARGETS), level=[60, 80.0], h=5))
    wanted = v1(service, "forecast", quantiles=[0.5], intervals=[60, 80], horizon=5)["forecasts"]
    assert found["mean"] == joined([one["quantiles"]["0.5"] for one in wanted])
    assert set(found["intervals"]) == {"lo-60", "hi-60", "lo-80", "hi-80"}
    for percent in ("60", "80"):
        assert_ends(found, [one["intervals"] for one in wanted], percent)
    assert (found["weights_x"], found["feature_contributions"]) == (None, None)
    assert found["model"] == v1(service, "forecast")["model"]
    codes = [(note["series"], note["code"]) for note in found["warnings"]]
    assert codes == [(int(one["id"]), note["code"]) for one in wanted for note in one["warnings"]] != []


def test_without_levels_there_are_no_intervals(service: httpx.Client) -> None:
    assert answer(service, FORECAST, forecast(level=None))["intervals"] is None
    assert answer(service, FORECAST, forecast(level=[0]))["intervals"] is None  # as the SDK asks for quantiles=[0.5]


def test_levels_that_quantiles_became_are_answered_once_each(service: httpx.Client) -> None:
    found = answer(service, FORECAST, forecast(level=[80, 60, 0, 60, 80]))
    assert set(found["intervals"]) == {"lo-60", "hi-60", "lo-80", "hi-80"}


def test_a_horizon_beyond_the_models_is_rolled_out_as_the_sdk_says_before(service: httpx.Client) -> None:
    found = answer(service, FORECAST, forecast(series_of(*TARGETS), h=20))
    wanted = v1(service, "forecast", quantiles=[0.5], horizon=20, roll_out=True)["forecasts"]
    assert found["mean"] == joined([one["quantiles"]["0.5"] for one in wanted])


def test_a_cross_validation_has_the_numbers_of_a_backtest_and_says_of_which_values(service: httpx.Client) -> None:
    body = cross_validation(series_of(*TARGETS), n_windows=3, step_size=2, level=[80])
    found = answer(service, CROSS_VALIDATION, body)
    options = {"horizon": 4, "num_windows": 3, "step_size": 2, "quantiles": [0.5], "intervals": [80]}
    wanted = [one["windows"] for one in v1(service, "backtest", **options)["series"]]
    windows = joined(wanted)
    assert found["mean"] == joined([one["quantiles"]["0.5"] for one in windows])
    assert_ends(found, [one["intervals"] for one in windows], "80")
    assert found["sizes"] == [4 * len(own) for own in wanted] == [12, 12]
    assert [body["series"]["y"][row] for row in found["idxs"]] == joined([one["actual"] for one in windows])
    assert found["idxs"][-1] == len(WAVE) + len(GAPPY) - 1


def test_a_full_history_is_that_of_a_backtest_up_to_the_last_value_of_each_series(service: httpx.Client) -> None:
    body = in_sample(series_of(*TARGETS), level=[80], h=9, n_windows=7, step_size=9)
    found = answer(service, CROSS_VALIDATION, body)
    options = {"history": True, "quantiles": [0.5], "intervals": [80]}
    wanted = [one["windows"] for one in v1(service, "backtest", **options)["series"]]
    windows = joined(wanted)
    assert found["mean"] == joined([one["quantiles"]["0.5"] for one in windows])
    assert_ends(found, [one["intervals"] for one in windows], "80")
    ends = np.cumsum([len(WAVE), len(GAPPY)])
    rows = [list(range(end - size, end)) for end, size in zip(ends, found["sizes"], strict=True)]
    assert found["idxs"] == joined(rows)
    assert found["sizes"] == [len(WAVE) - 48, len(GAPPY) - 3 - 48]  # two seasons are seen, from the first value on


def test_steps_of_a_history_with_nothing_to_see_before_them_are_null(service: httpx.Client) -> None:
    blind = [*WAVE[:50], *[None] * 80, *WAVE[:30]]
    found = answer(service, CROSS_VALIDATION, in_sample(series_of(blind, WAVE), level=[80]))
    assert found["sizes"] == [len(blind) - 48, len(WAVE) - 48]
    (own,) = (one["windows"] for one in v1(service, "backtest", (blind,), history=True, quantiles=[0.5])["series"])
    median: dict[str, float] = {}
    for window in own:
        median |= dict(zip(window["timestamps"], window["quantiles"]["0.5"], strict=True))
    times = np.datetime64(START, "s") + np.arange(48, len(blind)).astype("timedelta64[h]")
    assert found["mean"][: len(times)] == [median.get(str(time)) for time in times]
    assert None in found["mean"] and None in found["intervals"]["lo-80"]
    assert None not in found["mean"][len(times) :]


def test_anomalies_are_those_of_v1(service: httpx.Client) -> None:
    strange = [*WAVE[:100], 40.0, *WAVE[101:]]
    found = answer(service, ANOMALIES, anomalies(series_of(strange, GAPPY), level=95))
    wanted = v1(service, "anomalies", (strange, GAPPY), level=95)["series"]
    assert found["mean"] == joined([one["median"] for one in wanted])
    assert found["intervals"]["lo-95"] == joined([one["lower"] for one in wanted])
    assert found["intervals"]["hi-95"] == joined([one["upper"] for one in wanted])
    assert found["anomaly"] == joined([one["anomaly"] for one in wanted])
    assert found["anomaly"][found["idxs"].index(100)] is True
    assert found["sizes"] == [len(one["median"]) for one in wanted]


def test_a_gap_in_what_could_be_judged_is_no_anomaly(service: httpx.Client) -> None:
    blind = [*WAVE[:50], *[None] * 80, *WAVE[:30]]
    found = answer(service, ANOMALIES, anomalies(series_of(blind)))
    assert found["sizes"] == [len(blind) - 48]
    hidden = [place for place, median in enumerate(found["mean"]) if median is None]
    assert hidden
    assert not any(found["anomaly"][place] for place in hidden)


@pytest.mark.parametrize(("step_size", "seen"), [(None, 4), (2, 2)])
def test_online_anomalies_are_those_of_v1(service: httpx.Client, step_size: int | None, seen: int) -> None:
    body = online(series_of(*TARGETS), step_size=step_size, detection_size=11)
    found = answer(service, ONLINE, body)
    wanted = v1(service, "anomalies", level=80, detection_size=11, step_size=seen)["series"]
    assert found["anomaly_score"] == joined([one["score"] for one in wanted])
    assert found["anomaly"] == joined([one["anomaly"] for one in wanted])
    assert found["mean"] == joined([one["median"] for one in wanted])
    assert found["intervals"]["hi-80"] == joined([one["upper"] for one in wanted])
    assert [body["series"]["y"][row] for row in found["idxs"]] == joined([one["actual"] for one in wanted])
    assert found["sizes"] == [11, 11]
    assert found["accumulated_anomaly_score"] is None


def test_with_the_multivariate_threshold_all_series_together_say_what_is_strange(service: httpx.Client) -> None:
    late = [*WAVE[:-1], 40.0]
    body = online(series_of(late, WAVE), threshold_method="multivariate")
    found = answer(service, ONLINE, body)
    wanted = v1(service, "anomalies", (late, WAVE), level=80, detection_size=10, step_size=4)["series"]
    scores = joined([one["accumulated_score"] for one in wanted])
    assert found["accumulated_anomaly_score"] == scores
    assert found["anomaly"] == [score > 1 for score in scores]
    assert found["anomaly"][9] and found["anomaly"][19]  # of both series at the time of the one that strays


def test_series_without_starts_give_the_same_numbers(service: httpx.Client) -> None:
    tasks = ((FORECAST, forecast), (CROSS_VALIDATION, cross_validation), (ANOMALIES, anomalies), (ONLINE, online))
    for path, body in tasks:
        dated = answer(service, path, body(series_of(*TARGETS)))
        bare = answer(service, path, body(series_of(*TARGETS, start_datetime=...)))
        assert {**dated, "warnings": []} == {**bare, "warnings": []}


def test_a_model_that_reads_the_calendar_must_be_told_when_series_begin(tmp_path: Path) -> None:
    predictor = predictor_of(covariates=CovariateConfig(calendar=("hour_of_day_sin",)))
    with served(predictor, tmp_path) as client:
        found = answer(client, FORECAST, forecast(series_of(*TARGETS)))
        wanted = v1(client, "forecast", quantiles=[0.5], horizon=4)["forecasts"]
        assert found["mean"] == joined([one["quantiles"]["0.5"] for one in wanted])
        later = answer(client, FORECAST, forecast(series_of(*TARGETS, start_datetime=["2024-01-01T07:00"] * 2)))
        assert later["mean"] != found["mean"]
        reply = client.post(FORECAST, json=forecast(series_of(*TARGETS, start_datetime=...)))
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == "series.start_datetime"
    assert "reads the calendar" in reply.json()["detail"]


@pytest.mark.parametrize(("frequency", "is_answered"), [("h", True), ("W-MON", True), ("MS", False), ("B", False)])
def test_a_model_that_reads_how_long_steps_last_needs_starts_where_they_differ(
    tmp_path: Path, frequency: str, is_answered: bool
) -> None:
    with served(predictor_of(frequency=frequency, positions="time"), tmp_path) as client:
        reply = client.post(FORECAST, json=forecast(series_of(WAVE, start_datetime=...), freq=frequency))
    assert reply.status_code == (200 if is_answered else 422), reply.text


@pytest.mark.parametrize("frequency", ["h", "15min", "D", "B", "W-THU", "2W-MON", "MS", "ME", "BQE-FEB", "YS", "YE"])
def test_every_frequency_has_a_time_for_series_that_do_not_say_when_they_begin(tmp_path: Path, frequency: str) -> None:
    with served(predictor_of(frequency=frequency), tmp_path) as client:
        body = forecast(series_of(*TARGETS, start_datetime=...), freq=frequency)
        assert len(answer(client, FORECAST, body)["mean"]) == 8


def test_years_that_no_calendar_has_are_refused(tmp_path: Path) -> None:
    with served(predictor_of(frequency="YS"), tmp_path) as client:
        reply = client.post(FORECAST, json=forecast(series_of(WAVE * 100, WAVE, start_datetime=...), freq="YS"))
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "series.sizes")


def test_integer_times_which_the_sdk_calls_months_are_steps(tmp_path: Path) -> None:
    with served(predictor_of(frequency="step"), tmp_path) as client:
        assert client.get("/model_params?model=timegpt-1&freq=MS").status_code == 200
        found = answer(client, FORECAST, forecast(series_of(*TARGETS, start_datetime=...), freq="MS"))
        series = [{"id": str(n), "start": 0, "target": target} for n, target in enumerate(TARGETS)]
        wanted = answer(client, "/v1/forecast", {"series": series, "horizon": 4, "quantiles": [0.5]})["forecasts"]
        assert found["mean"] == joined([one["quantiles"]["0.5"] for one in wanted])
        assert "read-as-months" not in {one["code"] for one in found["warnings"]}
        months = answer(client, FORECAST, forecast(series_of(*TARGETS), freq="MS"))
    assert (found["model"]["name"], months["model"]["name"]) == ("waves", "zero-shot")


BODIES = {
    FORECAST: forecast,
    CROSS_VALIDATION: cross_validation,
    ANOMALIES: anomalies,
    ONLINE: online,
}


@pytest.mark.parametrize("path", BODIES)
def test_integers_that_were_read_as_months_for_want_of_a_model_of_steps_are_warned_of(
    service: httpx.Client, path: str
) -> None:
    def warned(**series: Any) -> list[Any]:
        found = answer(service, path, BODIES[path](series_of(WAVE, WAVE, **series), freq="MS"))
        assert found["model"]["name"] == "zero-shot"
        return [one["series"] for one in found["warnings"] if one["code"] == "read-as-months"]

    assert warned(start_datetime=...) == [0]
    assert warned() == []


def test_multivariate_lets_all_series_see_each_other(tmp_path: Path) -> None:
    pair = (WAVE, WAVE[::-1])
    with served(predictor_of(channels="group"), tmp_path) as client:
        alone, together = (
            answer(client, FORECAST, forecast(series_of(*pair), multivariate=flag))["mean"] for flag in (False, True)
        )
        series = [{"id": str(n), "start": START, "target": target, "group": "g"} for n, target in enumerate(pair)]
        body = {"series": series, "horizon": 4, "quantiles": [0.5]}
        wanted = joined([one["quantiles"]["0.5"] for one in answer(client, "/v1/forecast", body)["forecasts"]])
        bare = series_of(WAVE, WAVE[::-1][50:], start_datetime=...)  # another length, and the same end
        assert answer(client, FORECAST, forecast(bare, multivariate=True))["mean"] == together
    assert alone != together == wanted


def test_a_key_is_told_what_it_has_spent(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")
    key = KeyStore(KeyFiles.of(settings)).create(KeyTerms((Scope.FORECAST,))).token
    with served(predictor_of(), tmp_path, authentication=True, rate_burst=5000, rate_per_minute=1) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        assert client.get("/usage").json() == {"minute": {"consumed": 0, "limit": 5000}}
        answer(client, FORECAST, forecast(series_of(WAVE), h=4))
        assert client.get("/usage").json() == {"minute": {"consumed": 4 * len(WAVE), "limit": 5000}}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_example_of_each_operation_is_answered_as_it_says(service: httpx.Client, operation: Operation) -> None:
    found = answer(service, operation.path, operation.example)
    assert operation.reply.model_validate(found).model_dump(exclude_unset=True).keys() == found.keys()
