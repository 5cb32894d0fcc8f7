"""POST /v1/forecast over a real socket: the contract, and equality with the predictor."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.cli import root
from tests.conftest import Registry, noisy_waves
from tests.service.request_bodies import HISTORY, series, timestamps, valid


def answer(service: httpx.Client, body: object) -> dict:
    reply = service.post("/v1/forecast", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_reply_has_the_documented_shape(service: httpx.Client) -> None:
    reply = answer(service, valid())
    assert reply["model"]["name"] == "waves"
    assert reply["model"]["version"] == "1"
    assert reply["model"]["digest"].startswith("sha256:")
    (forecast,) = reply["forecasts"]
    assert forecast["id"] == "a"
    assert forecast["timestamps"] == [f"2024-01-03T{hour}:00:00" for hour in (12, 13, 14, 15)]
    assert list(forecast["quantiles"]) == ["0.1", "0.5", "0.9"]
    values = np.array(list(forecast["quantiles"].values()))
    assert values.shape == (3, 4)
    assert (np.diff(values, axis=0) >= 0).all()
    assert forecast["warnings"] == []


def request_of(frame: pd.DataFrame, **changes: object) -> dict:
    groups = [
        {
            "id": name,
            "start": group["ds"].iloc[0].isoformat(),
            "target": [None if np.isnan(value) else value for value in group["y"]],
        }
        for name, group in frame.groupby("unique_id")
    ]
    return valid(series=groups, **changes)


@pytest.mark.parametrize("timezone", [None, "UTC", "Europe/Berlin"])
def test_http_equals_predict_on_a_file_exactly(
    service: httpx.Client, registry: Registry, tmp_path: Path, timezone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTER_HOME", str(registry.home))
    frame = noisy_waves(timezone=timezone)
    frame.to_csv(tmp_path / "in.csv", index=False)
    arguments = ["predict", "--data", str(tmp_path / "in.csv"), "--model", "waves", "--output", str(tmp_path / "o.csv")]
    zone = [] if timezone is None else ["--timezone", timezone]
    result = CliRunner().invoke(root, [*arguments, *zone], catch_exceptions=False)
    assert result.exit_code == 0
    file = pd.read_csv(tmp_path / "o.csv")

    body = request_of(frame, horizon=..., quantiles=..., timezone=timezone or ...)
    for forecast in answer(service, body)["forecasts"]:
        rows = file[file["unique_id"] == forecast["id"]]
        assert [pd.Timestamp(t) for t in forecast["timestamps"]] == [pd.Timestamp(t) for t in rows["ds"]]
        for level, values in forecast["quantiles"].items():
            np.testing.assert_array_equal(values, rows[level])


def test_a_series_alone_equals_the_series_in_company(service: httpx.Client) -> None:
    frame = noisy_waves()
    together = answer(service, request_of(frame))["forecasts"]
    for forecast in together:
        (alone,) = answer(service, request_of(frame[frame["unique_id"] == forecast["id"]]))["forecasts"]
        np.testing.assert_allclose(alone["quantiles"]["0.5"], forecast["quantiles"]["0.5"], rtol=1e-5)


def test_forecasts_come_in_the_order_of_the_request(service: httpx.Client) -> None:
    many = [{"id": name, "start": "2024-01-01", "target": HISTORY} for name in ("z", "a", "m")]
    assert [f["id"] for f in answer(service, valid(series=many))["forecasts"]] == ["z", "a", "m"]


def test_timestamps_equal_start_and_a_gap_equals_null(service: httpx.Client) -> None:
    hours = [stamp.isoformat() for stamp in pd.date_range("2024-01-01", periods=len(HISTORY), freq="h")]
    with_null = series(target=[*HISTORY[:5], None, *HISTORY[6:]])
    with_gap = timestamps(*hours[:5], *hours[6:], target=[*HISTORY[:5], *HISTORY[6:]])
    first, second = (answer(service, body)["forecasts"][0] for body in (with_null, with_gap))
    assert first["quantiles"] == second["quantiles"]
    assert first["warnings"][0]["code"] == "missing-value"
    assert second["warnings"][0]["code"] == "gap"
    assert "2024-01-01T05:00:00" in second["warnings"][0]["message"]


def test_hours_are_right_across_the_autumn_change_of_the_clock(service: httpx.Client) -> None:
    body = series(start="2024-10-25T00:00:00+02:00") | {"timezone": "Europe/Berlin", "horizon": 3}
    (forecast,) = answer(service, body)["forecasts"]
    assert forecast["timestamps"] == [f"2024-10-27T{hour}:00:00+01:00" for hour in ("11", "12", "13")]


def test_days_keep_local_midnight_across_the_change_of_the_clock(service: httpx.Client) -> None:
    body = series(start="2024-09-01T00:00:00", target=HISTORY[:56])
    body |= {"model": "days", "frequency": "D", "timezone": "Europe/Berlin", "horizon": 2}
    (forecast,) = answer(service, body)["forecasts"]
    assert forecast["timestamps"] == ["2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"]


def test_defaults_are_the_models(service: httpx.Client) -> None:
    (forecast,) = answer(service, valid(horizon=..., frequency=..., quantiles=...))["forecasts"]
    assert len(forecast["timestamps"]) == 12
    assert list(forecast["quantiles"]) == [f"0.{tenth}" for tenth in range(1, 10)]


def test_levels_between_the_trained_ones_are_interpolated_and_never_cross(service: httpx.Client) -> None:
    levels = [0.1, 0.15, 0.2, 0.333, 0.5, 0.77, 0.9]
    (forecast,) = answer(service, valid(quantiles=levels))["forecasts"]
    values = np.array([forecast["quantiles"][str(level)] for level in levels])
    assert (np.diff(values, axis=0) >= 0).all()
    np.testing.assert_allclose(values[1], (values[0] + values[2]) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "warned"),
    [
        ([5.0] * 60, "constant-series"),
        ([0.0] * 60, "constant-series"),
        ([1.0, 2.0], "short-series"),
        ([1e29, -1e29] * 30, None),
        ([5e-324, 0.0] * 30, None),
        ([*([0.0] * 59), 1e29], None),
        ([None] * 59 + [3.0], "short-series"),
    ],
)
def test_strange_but_legal_series_get_a_finite_forecast(
    service: httpx.Client, target: list[float], warned: str | None
) -> None:
    (forecast,) = answer(service, series(target=target))["forecasts"]
    assert np.isfinite(list(forecast["quantiles"].values())).all()
    if warned:
        assert warned in [warning["code"] for warning in forecast["warnings"]]


def test_a_constant_series_is_forecast_exactly(service: httpx.Client) -> None:
    (forecast,) = answer(service, series(target=[7.25] * 60))["forecasts"]
    assert forecast["quantiles"]["0.5"] == [7.25] * 4


def test_the_body_may_be_sent_in_chunks(service: httpx.Client) -> None:
    body = json.dumps(valid()).encode()
    chunks = (body[position : position + 100] for position in range(0, len(body), 100))
    reply = service.post("/v1/forecast", content=chunks, headers={"content-type": "application/json"})
    assert reply.status_code == 200
