"""What follows from a forecast of the encoder in the box, over real sockets; and how registered models go first."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.bundle import WEIGHTS
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.pretrained import encoder, encoder_for
from service.requests.media import ARROW, PARQUET
from tests.factories import panel_of, sine_panel
from tests.service.dialects.test_answering import BODIES
from tests.service.factories import on_a_socket
from tests.service.fakes import FakeRegistry
from tests.service.fresh import LEVELS, fresh_app, fresh_client, posted, request_of, stamped, waves
from tests.service.jobs.factories import result
from tests.service.tables.factories import parquet_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without any registered model."""
    with fresh_client(tmp_path_factory.mktemp("fresh")) as found:
        yield found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": ZERO_SHOT, "horizon": 5, "intervals": [50, 80], "segment": "north"},
        {"horizon": 90, "roll_out": True},
        {"adapt": True, "horizon": 3},
        {"timezone": "Europe/Berlin"},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [request_of, stamped])
def test_a_forecast_is_kept_and_replayed_to_the_same_bytes(client: httpx.Client, make: Any, changes: Any) -> None:
    panel = sine_panel(40, 130, frequency="D", noise=0.5, missing_share=0.02)  # in two pieces
    given = client.post("/v1/forecast", json=make(panel, **changes))
    assert given.status_code == 200, given.text
    forecast_id = given.json()["id"]
    assert client.get(f"/v1/forecasts/{forecast_id}").content == given.content
    again = client.post(f"/v1/forecasts/{forecast_id}/replay")
    assert (again.status_code, again.headers["x-replay"], again.content) == (200, "same", given.content)


def test_forecasts_that_shared_a_forward_pass_are_replayed_alone_to_the_same_bytes(client: httpx.Client) -> None:
    bodies = [request_of(sine_panel(1, length, frequency=one)) for length in range(97, 112) for one in ("h", "D")]
    with ThreadPoolExecutor(20) as clients:
        given = list(clients.map(lambda body: client.post("/v1/forecast", json=body), bodies))
    for reply in given:
        again = client.post(f"/v1/forecasts/{reply.json()['id']}/replay")
        assert (again.headers["x-replay"], again.content) == ("same", reply.content)


def test_a_table_is_replayed_to_the_same_bytes(client: httpx.Client) -> None:
    content, headers = parquet_of(waves("D").to_frame()), {"content-type": PARQUET, "accept": ARROW}
    given = client.post("/v1/forecast", params={"horizon": 3}, content=content, headers=headers)
    again = client.post(f"/v1/forecasts/{given.headers['x-forecast-id']}/replay")
    assert (again.status_code, again.content) == (200, given.content), again.text


def test_a_forecast_of_an_encoder_that_is_not_there_any_more_cannot_be_replayed(tmp_path: Path) -> None:
    with fresh_client(tmp_path) as before:
        found = posted(before, request_of(waves("h")))
    with fresh_client(tmp_path, zero_shot=False) as after:
        assert after.get(f"/v1/forecasts/{found['id']}").json() == found
        again = after.post(f"/v1/forecasts/{found['id']}/replay")
    assert (again.status_code, again.json()["code"]) == (409, "cannot-replay")
    assert f"it was given by {ZERO_SHOT} {found['model']['version']}" in again.json()["detail"]


def test_what_then_happened_is_taken_in_with_the_frequency_of_its_times(client: httpx.Client) -> None:
    panel = panel_of(np.arange(60) % 5, frequency="D")
    found = posted(client, request_of(panel, horizon=4))
    stamps = found["forecasts"][0]["timestamps"]
    actual = {"series": [{"id": "s0", "timestamps": stamps, "target": [1.0, 2.0, 3.0, 4.0]}]}
    assert posted(client, actual, "/v1/actuals") == {"values": 4}
    end, pause = time.monotonic() + 60, threading.Event()
    outcome: dict[str, Any] = {"num_observed": 0}
    while outcome["num_observed"] < 4 and time.monotonic() < end:
        pause.wait(0.1)
        (outcome,) = client.get(f"/v1/forecasts/{found['id']}/outcome").json()["series"]
    assert outcome["num_observed"] == 4
    refused = client.post("/v1/actuals", json={"series": [{"id": "s0", "start": "2024-03-01", "target": [1.0]}]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "frequency")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("forecast", {"horizon": 5}),
        ("backtest", {"horizon": 5, "num_windows": 4}),
        ("anomalies", {"level": 90, "detection_size": 20}),
    ],
)
@pytest.mark.parametrize("make", [request_of, stamped])
def test_jobs_give_what_their_routes_give_at_once(client: httpx.Client, kind: str, options: Any, make: Any) -> None:
    body = make(waves("MS", 120), **options)
    if kind == "anomalies":
        del body["quantiles"]
    at_once = posted(client, body, f"/v1/{kind}")
    assert at_once["model"]["name"] == ZERO_SHOT
    taken_in = client.post(f"/v1/jobs/{kind}", json=body)
    assert taken_in.status_code == 202, taken_in.text
    later = json.loads(result(client, taken_in.json()))
    assert {**later, "id": None} == {**at_once, "id": None}


def test_a_backtest_and_an_explanation_are_those_of_the_encoder_for_these_series(client: httpx.Client) -> None:
    panel = sine_panel(1, 100, frequency="D")
    body = request_of(panel, model=ZERO_SHOT, horizon=5)
    (window,) = posted(client, body, "/v1/backtest")["series"][0]["windows"]
    predictor = encoder_for(panel.axis.frequency, 100).predictor
    expected = predictor.predict(panel.head(np.array([95])), 5, LEVELS).values[0].T
    np.testing.assert_allclose(np.array(list(window["quantiles"].values())), expected, rtol=1e-6)
    del body["horizon"], body["quantiles"]
    why = posted(client, {**body, "step": 1}, "/v1/explain")
    median = posted(client, request_of(panel, quantiles=[0.5]))["forecasts"][0]["quantiles"]["0.5"]
    assert why["forecast"] == pytest.approx(median[0], rel=1e-4)
    assert len(why["steps"]["timestamps"]) == 112


# Beside registered models.


def test_the_first_promotion_takes_requests_over_that_name_no_model_and_no_others(tmp_path: Path) -> None:
    registry = FakeRegistry(tmp_path / "registry")
    app = fresh_app(tmp_path / "home", registry)
    hours, days = (request_of(sine_panel(1, 60, frequency=one), horizon=1) for one in ("h", "D"))
    with on_a_socket(app, app.state.service.settings) as client:
        before = posted(client, hours)
        registry.add()
        assert client.post("/v1/models/refresh").json()["swapped"] == ["waves@champion"]
        assert posted(client, hours)["model"]["name"] == "waves"
        assert client.post("/v1/forecast", json=days).json()["code"] == "frequency-mismatch"
        named = posted(client, {**hours, "model": ZERO_SHOT})
        assert (named["model"], named["forecasts"]) == (before["model"], before["forecasts"])
        assert posted(client, {**days, "model": ZERO_SHOT})["model"] == before["model"]
        ready = client.get("/readyz").json()
        assert (ready["models"], ready["zero_shot"]) == ({"waves": "1"}, before["model"]["version"])
        assert [one["name"] for one in client.get("/v1/models").json()["models"]] == ["waves", ZERO_SHOT]
        elsewhere = client.post("/v2/forecast", json={**BODIES["/v2/forecast"], "model": ZERO_SHOT})
        assert elsewhere.json()["model"]["name"] == ZERO_SHOT
        meant = {
            freq: client.post("/v2/forecast", json={**BODIES["/v2/forecast"], "freq": freq}) for freq in ("h", "D")
        }
        assert {freq: reply.json()["model"]["name"] for freq, reply in meant.items()} == {"h": "waves", "D": ZERO_SHOT}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts a bundle in the place of the one in the box whose weights are cut off."""
    folder = shutil.copytree(encoder._BUNDLE, tmp_path / "broken")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    monkeypatch.setattr(encoder, "_BUNDLE", folder)
    encoder.pretrained_encoder.cache_clear()
    yield
    encoder.pretrained_encoder.cache_clear()


def test_with_a_broken_encoder_the_service_starts_and_follows_its_registry(broken: None, tmp_path: Path) -> None:
    registry = FakeRegistry(tmp_path / "registry")
    app = fresh_app(tmp_path / "home", registry)
    body = request_of(sine_panel(1, 60), horizon=1)
    with on_a_socket(app, app.state.service.settings) as client:
        for name in (None, ZERO_SHOT):
            reply = client.post("/v1/forecast", json={**body, "model": name})
            assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
        assert "could not be verified" in reply.json()["detail"]
        registry.add()
        client.post("/v1/models/refresh")
        assert posted(client, body)["model"]["name"] == "waves"
        assert client.get("/readyz").json() == {"status": "ready", "models": {"waves": "1"}}


def test_switched_off_all_is_as_it_was_without_it(tmp_path: Path) -> None:
    app = fresh_app(tmp_path, FakeRegistry(tmp_path / "registry"), zero_shot=False)
    body = request_of(waves("h"))
    with on_a_socket(app, app.state.service.settings) as client:
        replies = [client.post("/v1/forecast", json={**body, "model": name}) for name in (None, ZERO_SHOT)]
        for reply in (*replies, client.get("/readyz"), client.get("/v1/model")):
            assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
            assert ZERO_SHOT not in reply.json()["detail"]
        assert client.get("/v1/models").json()["models"] == []
        assert ZERO_SHOT not in client.get("/metrics").text
