"""The public SDK of TimeGPT, in an environment of its own, gets the numbers of /v1 from a served model."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from forecaster.config import CovariateConfig
from forecaster.predictor import Predictor
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-nixtla" / "bin" / "python"
LENGTH, AHEAD, BURST = 130, 4, 10_000_000
IDS = ("a", "b", "c")


def value(number: int, step: int) -> float:
    """Gives a value that fits into the 32 bits in which the SDK sends it."""
    return round(8 * (10 + number + math.sin(step / 24 * 2 * math.pi) + 0.3 * math.sin(step * 1.7))) / 8


def table(num_series: int = 3, length: int = LENGTH, begin: int = 0) -> pd.DataFrame:
    """Gives hourly series with two exogenous columns, of some steps."""
    parts = []
    for number in range(num_series):
        steps = range(begin, begin + length)
        times = pd.date_range("2024-01-01", periods=begin + length, freq="h")[begin:]
        own = {"unique_id": f"s{number:03}", "ds": times, "y": [value(number, step) for step in steps]}
        price, wind = [1 + step % 7 / 8 for step in steps], [(step + number) % 11 / 4 for step in steps]
        parts.append(pd.DataFrame({**own, "price": price, "wind": wind}))
    return pd.concat(parts, ignore_index=True)


def months() -> pd.DataFrame:
    """Gives monthly series, of which no registered model knows anything."""
    times = pd.date_range("2015-01-01", periods=60, freq="MS")
    own = [pd.DataFrame({"ds": times, "y": [value(number, 2 * step) for step in range(60)]}) for number in range(2)]
    return pd.concat([one.assign(unique_id=f"m{number}") for number, one in enumerate(own)], ignore_index=True)


@dataclass(frozen=True)
class Sdk:
    """The SDK, and a client of the same service, with the same key."""

    client: httpx.Client
    folder: Path

    def calls(self, calls: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Gives what the SDK makes of each call."""
        assert PYTHON.exists(), "the SDK is not installed: make .venv-nixtla/.installed"
        key = self.client.headers["Authorization"].removeprefix("Bearer ")
        program = Path(__file__).with_name("nixtla_calls.py")
        done = subprocess.run(
            [str(PYTHON), str(program), str(self.client.base_url), key, str(self.folder)],
            input=json.dumps(calls),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def v1(self, task: str, frame: pd.DataFrame, ahead: pd.DataFrame | None = None, **options: Any) -> Any:
        """Gives what /v1 answers for the same series."""
        series = []
        for name, own in frame.groupby("unique_id"):
            one = {"id": name, "start": own["ds"].iloc[0].isoformat(), "target": own["y"].tolist()}
            if ahead is not None:
                prices = [*own["price"], *ahead.loc[ahead["unique_id"] == name, "price"]]
                one |= {"known": {"price": prices}, "past": {"wind": own["wind"].tolist()}}
            series.append(one)
        reply = self.client.post(f"/v1/{task}", json={"series": series, **options})
        assert reply.status_code == 200, reply.text
        return reply.json()["forecasts" if task == "forecast" else "series"]


def serving(predictor: Predictor, folder: Path) -> Iterator[Sdk]:
    settings = Settings(home=folder, registry_uri="http://127.0.0.1:1", port=0)
    key = KeyStore(KeyFiles.of(settings)).create(KeyTerms((Scope.FORECAST,))).token
    app = app_of(predictor, folder, authentication=True, rate_burst=BURST, rate_per_minute=1)
    table().drop(columns=["price", "wind"]).to_csv(folder / "history.csv", index=False)
    table().to_csv(folder / "exogenous.csv", index=False)
    table(length=AHEAD, begin=LENGTH)[["unique_id", "ds", "price"]].to_csv(folder / "future.csv", index=False)
    months().to_csv(folder / "months.csv", index=False)
    table(220, 900).drop(columns=["price", "wind"]).to_csv(folder / "large.csv", index=False)
    with on_a_socket(app, settings) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield Sdk(client, folder)


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """A model that reads values alone."""
    yield from serving(predictor_of(), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """A model that reads a price known ahead, wind of the past and the hour."""
    covariates = CovariateConfig(known=("price",), past=("wind",), calendar=("hour_of_day_sin",))
    yield from serving(predictor_of(covariates=covariates), tmp_path_factory.mktemp("priced"))


def call(method: str, frame: str | None = "history", **arguments: Any) -> dict[str, Any]:
    return {"method": method, "arguments": arguments, "frames": {} if frame is None else {"df": frame}}


CALLS = {
    "key": call("validate_api_key", None),
    "models": call("list_models", None),
    "plain": call("forecast", h=AHEAD),
    "levels": call("forecast", h=AHEAD, level=[60, 80]),
    "quantiles": call("forecast", h=AHEAD, quantiles=[0.1, 0.5, 0.9]),
    "partitions": call("forecast", h=AHEAD, level=[80], num_partitions=2),
    "long": call("forecast", h=12),
    "history": call("forecast", h=AHEAD, level=[80], add_history=True),
    "windows": call("cross_validation", h=AHEAD, n_windows=3, step_size=2, level=[80]),
    "window quantiles": call("cross_validation", h=AHEAD, n_windows=2, quantiles=[0.2, 0.5]),
    "anomalies": call("detect_anomalies", level=80),
    "online": call("detect_anomalies_online", h=AHEAD, detection_size=10, level=80, step_size=2),
    "together": call(
        "detect_anomalies_online", h=AHEAD, detection_size=10, level=80, threshold_method="multivariate"
    ),
    "forecast job": call("jobs.forecast", h=AHEAD, level=[80], job_timeout_seconds=300),
    "windows job": call("jobs.cross_validation", h=AHEAD, n_windows=3, step_size=2, level=[80]),
    "online job": call("jobs.detect_anomalies", h=AHEAD, detection_size=10, level=80, step_size=2),
    "late job": call("jobs.forecast", h=AHEAD, job_timeout_seconds=7200),
    "large": call("detect_anomalies_online", "large", h=AHEAD, detection_size=4, level=80),
    "tuned": call("forecast", h=AHEAD, finetune_steps=5),
    "misnamed": call("forecast", h=AHEAD, finetuned_model_id="mine"),
    "multivariate": call("forecast", h=AHEAD, multivariate=True),
    "level": call("forecast", h=AHEAD, level=[99]),
    "frequency": call("forecast", h=AHEAD, freq="h", model="waves", model_parameters={"season": 3}),
    "months": call("forecast", "months", h=6, level=[80]),
    "months by name": call("forecast", "months", h=6, level=[80], model="zero-shot"),
    "windows of months": call("cross_validation", "months", h=6, n_windows=2, level=[80]),
    "anomalies in months": call("detect_anomalies_online", "months", h=6, detection_size=12, level=80),
    "usage": call("usage", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(sdk: Sdk) -> dict[str, Any]:
    return sdk.calls(CALLS)


def columns(answers: dict[str, Any], name: str) -> dict[str, list[Any]]:
    assert "table" in answers[name], answers[name]
    found: dict[str, list[Any]] = answers[name]["table"]
    return found


def assert_same(found: list[float], wanted: list[float]) -> None:
    """The last digits hang on how many windows share a forward pass, which differs between requests."""
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def joined(parts: Any) -> list[Any]:
    return [number for part in parts for number in part]


def test_a_key_and_the_models_are_told(answers: dict[str, Any]) -> None:
    assert answers["key"] == {"value": True}
    assert answers["models"] == {"value": ["timegpt-1", "waves", "zero-shot"]}


def test_a_frequency_without_a_model_is_forecast_by_the_encoder_in_the_box(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("forecast", months(), horizon=6, quantiles=[0.1, 0.5, 0.9], model="zero-shot", frequency="MS")
    by_level = {level: joined(one["quantiles"][level] for one in wanted) for level in wanted[0]["quantiles"]}
    for name in ("months", "months by name"):
        found = columns(answers, name)
        assert found["ds"] == [f"2020-{month:02}-01 00:00:00" for month in range(1, 7)] * 2
        for column, level in (("TimeGPT", "0.5"), ("TimeGPT-lo-80", "0.1"), ("TimeGPT-hi-80", "0.9")):
            assert_same(found[column], by_level[level])
    assert len(columns(answers, "windows of months")["TimeGPT"]) == 2 * 2 * 6
    assert len(columns(answers, "anomalies in months")["anomaly"]) == 2 * 12


def test_forecasts_have_the_numbers_of_v1(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("forecast", table(), horizon=AHEAD, quantiles=[0.1, 0.2, 0.5, 0.8, 0.9])
    by_level = {level: joined(one["quantiles"][level] for one in wanted) for level in wanted[0]["quantiles"]}
    found = columns(answers, "plain")
    assert found["unique_id"] == joined([one["id"]] * AHEAD for one in wanted)
    assert [time.replace(" ", "T") for time in found["ds"]] == joined(one["timestamps"] for one in wanted)
    assert_same(found["TimeGPT"], by_level["0.5"])
    found = columns(answers, "levels")
    for name, level in (("lo-60", "0.2"), ("hi-60", "0.8"), ("lo-80", "0.1"), ("hi-80", "0.9")):
        assert_same(found[f"TimeGPT-{name}"], by_level[level])
    found = columns(answers, "quantiles")
    for name, level in (("q-10", "0.1"), ("q-50", "0.5"), ("q-90", "0.9")):
        assert_same(found[f"TimeGPT-{name}"], by_level[level])
    assert_same(columns(answers, "partitions")["TimeGPT-hi-80"], by_level["0.9"])


def test_a_long_forecast_is_rolled_out(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("forecast", table(), horizon=12, quantiles=[0.5], roll_out=True)
    assert_same(columns(answers, "long")["TimeGPT"], joined(one["quantiles"]["0.5"] for one in wanted))


def test_history_is_that_of_a_backtest_and_the_forecast_follows(sdk: Sdk, answers: dict[str, Any]) -> None:
    past = sdk.v1("backtest", table(), history=True, quantiles=[0.5], intervals=[80])
    ahead = sdk.v1("forecast", table(), horizon=AHEAD, quantiles=[0.5])
    wanted = joined(
        [*joined(window["quantiles"]["0.5"] for window in one["windows"]), *following["quantiles"]["0.5"]]
        for one, following in zip(past, ahead, strict=True)
    )
    found = columns(answers, "history")
    assert_same(found["TimeGPT"], wanted)
    assert found["ds"][-1] == str(pd.Timestamp("2024-01-01") + pd.Timedelta(hours=LENGTH + AHEAD - 1))


def test_a_cross_validation_is_a_backtest(sdk: Sdk, answers: dict[str, Any]) -> None:
    options = {"horizon": AHEAD, "num_windows": 3, "step_size": 2, "quantiles": [0.5], "intervals": [80]}
    windows = joined(one["windows"] for one in sdk.v1("backtest", table(), **options))
    found = columns(answers, "windows")
    assert_same(found["TimeGPT"], joined(one["quantiles"]["0.5"] for one in windows))
    assert_same(found["TimeGPT-lo-80"], joined(one["intervals"]["80"]["lower"] for one in windows))
    assert found["y"] == joined(one["actual"] for one in windows)
    for name, wanted in (
        ("ds", joined(one["timestamps"] for one in windows)),
        ("cutoff", joined([one["cutoff"]] * AHEAD for one in windows)),
    ):
        assert [time.replace(" ", "T") for time in found[name]] == wanted
    assert set(columns(answers, "window quantiles")) >= {"TimeGPT-q-20", "TimeGPT-q-50"}


def test_anomalies_are_those_of_v1(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("anomalies", table(), level=80)
    found = columns(answers, "anomalies")
    assert_same(found["TimeGPT"], joined(one["median"] for one in wanted))
    assert found["anomaly"] == joined(one["anomaly"] for one in wanted)
    assert found["y"] == joined(one["actual"] for one in wanted)


def test_online_anomalies_are_those_of_v1(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("anomalies", table(), level=80, detection_size=10, step_size=2)
    found = columns(answers, "online")
    assert_same(found["anomaly_score"], joined(one["score"] for one in wanted))
    assert found["anomaly"] == joined(one["anomaly"] for one in wanted)
    wanted = sdk.v1("anomalies", table(), level=80, detection_size=10, step_size=AHEAD)
    found = columns(answers, "together")
    assert_same(found["accumulated_anomaly_score"], joined(one["accumulated_score"] for one in wanted))


@pytest.mark.parametrize(
    ("name", "at_once"), [("forecast", "partitions"), ("windows", "windows"), ("online", "online")]
)
def test_jobs_come_to_the_tables_that_are_answered_at_once(answers: dict[str, Any], name: str, at_once: str) -> None:
    found, wanted = columns(answers, f"{name} job"), columns(answers, at_once)
    assert found.keys() == wanted.keys()
    for column, values in wanted.items():
        if isinstance(values[0], float):
            assert_same(found[column], values)
        else:
            assert found[column] == values


def test_a_body_beyond_a_mebibyte_which_the_sdk_compresses_is_read(sdk: Sdk, answers: dict[str, Any]) -> None:
    wanted = sdk.v1("anomalies", table(220, 900), level=80, detection_size=4, step_size=AHEAD)
    assert_same(columns(answers, "large")["anomaly_score"], joined(one["score"] for one in wanted))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tuned", "finetune_steps: must be 0"),
        ("misnamed", "finetuned_model_id: must begin with ft-"),
        ("late job", "job_options.timeout_seconds: 7200, at most 3600 are allowed"),
        ("multivariate", "this model forecasts each series alone"),
        ("level", "reach outside 0.1..0.9, the range of this model"),
        ("frequency", "model_parameters.season: is unknown"),
    ],
)
def test_what_is_refused_is_said_in_words_and_not_tried_again(answers: dict[str, Any], name: str, said: str) -> None:
    assert answers[name]["status"] == 422  # which is none that the SDK tries again
    assert said in answers[name]["body"]["detail"]


def test_what_was_spent_is_told(answers: dict[str, Any]) -> None:
    (minute,) = answers["usage"]["value"].values()
    assert minute["limit"] == BURST
    assert minute["consumed"] > LENGTH * AHEAD


def test_exogenous_features_are_the_covariates_of_the_model(priced: Sdk) -> None:
    frames = {"df": "exogenous", "X_df": "future"}
    asked = {"h": AHEAD, "hist_exog_list": ["wind"]}
    found = priced.calls(
        {
            "forecast": {"method": "forecast", "arguments": asked, "frames": frames},
            "history": {"method": "forecast", "arguments": {**asked, "add_history": True}, "frames": frames},
            "windows": call("cross_validation", "exogenous", n_windows=2, **asked),
            "online": call("detect_anomalies_online", "exogenous", detection_size=8, level=80, **asked),
            "nothing known": call("forecast", h=AHEAD),
            "unclear": call("detect_anomalies", "exogenous", level=80),
        }
    )
    ahead, empty = table(length=AHEAD, begin=LENGTH), table(length=AHEAD, begin=LENGTH).iloc[:0]
    forecasts = priced.v1("forecast", table(), ahead, horizon=AHEAD, quantiles=[0.5])
    assert_same(columns(found, "forecast")["TimeGPT"], joined(one["quantiles"]["0.5"] for one in forecasts))
    windows = priced.v1("backtest", table(), empty, horizon=AHEAD, num_windows=2, quantiles=[0.5])
    medians = joined(one["quantiles"]["0.5"] for one in joined(one["windows"] for one in windows))
    assert_same(columns(found, "windows")["TimeGPT"], medians)
    past = priced.v1("backtest", table(), empty, history=True, quantiles=[0.5])
    num_past = sum(len(window["actual"]) for one in past for window in one["windows"])
    assert len(columns(found, "history")["TimeGPT"]) == num_past + 3 * AHEAD
    judged = priced.v1("anomalies", table(), empty, level=80, detection_size=8, step_size=AHEAD)
    assert_same(columns(found, "online")["anomaly_score"], joined(one["score"] for one in judged))
    for name, said in (("nothing known", "has 0 features"), ("unclear", "say which is which")):
        assert found[name]["status"] == 422
        assert said in found[name]["body"]["detail"]
