"""The encoder in the box over real sockets: the library's numbers for any frequency, and what it is told of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from forecaster.config.pretraining import ZERO_SHOT
from forecaster.data.reading import read_panel
from forecaster.time.aliases import STEP
from service.compute.work import Alone
from service.requests.media import ARROW, PARQUET
from service.settings import Settings
from tests.factories import panel_of, sine_panel
from tests.service.dialects.test_answering import BODIES, GETS, TIMEGPT, code_of
from tests.service.factories import app_of, asking, on_a_socket
from tests.service.fakes import FakeRegistry
from tests.service.fresh import LEVELS, fresh_app, fresh_client, of_library, posted, request_of, stamped, values, waves
from tests.service.tables.factories import parquet_of
from tests.test_bundle import small_predictor

FREQUENCIES = ("h", "D", "15min", "W-MON", "MS", "QS-OCT", "B", STEP)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without any registered model."""
    with fresh_client(tmp_path_factory.mktemp("fresh")) as found:
        yield found


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_http_equals_the_library_exactly_whatever_the_frequency(client: httpx.Client, frequency: str) -> None:
    panel = waves(frequency)
    found = posted(client, request_of(panel))
    np.testing.assert_array_equal(values(found), of_library(panel))
    assert (found["model"]["name"], found["model"]["generation"]) == (ZERO_SHOT, 1)
    assert found["model"]["version"].startswith("built-in-")
    first = panel.axis.frequency.advance(panel.ends, 0)
    assert [one["timestamps"][0] for one in found["forecasts"]] == [
        int(time) if frequency == STEP else str(time.astype("datetime64[s]")) for time in first
    ]


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/backtest", "/v1/anomalies", "/v1/explain", "/v2/forecast"])
def test_the_examples_of_the_documentation_are_answered(client: httpx.Client, path: str) -> None:
    operation = client.get("/openapi.json").json()["paths"][path]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"].values()
    assert [client.post(path, json=example["value"]).status_code for example in examples] == [200] * len(examples)


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_a_frequency_that_is_not_named_is_that_of_the_timestamps(client: httpx.Client, frequency: str) -> None:
    panel = waves(frequency, missing_share=0.05)
    np.testing.assert_array_equal(values(posted(client, stamped(panel, model=ZERO_SHOT))), of_library(panel))


def test_days_of_a_zone_are_days_across_the_change_of_its_clock(client: httpx.Client) -> None:
    stamps = pd.date_range("2024-03-20", periods=20, freq="D", tz="Europe/Berlin")
    series = {"id": "a", "timestamps": [stamp.isoformat() for stamp in stamps], "target": [float(n) for n in range(20)]}
    found = posted(client, {"series": [series], "timezone": "Europe/Berlin", "horizon": 2})
    assert found["forecasts"][0]["timestamps"] == ["2024-04-09T00:00:00+02:00", "2024-04-10T00:00:00+02:00"]


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 1000, 1024, 3000])
def test_it_looks_as_far_back_as_the_longest_series_goes(client: httpx.Client, length: int) -> None:
    panel = panel_of(np.arange(length) % 7, [1.0])
    np.testing.assert_array_equal(values(posted(client, request_of(panel))), of_library(panel))


def test_leading_gaps_are_no_part_of_a_length(client: httpx.Client) -> None:
    body = request_of(panel_of(np.arange(10)))
    body["series"][0]["target"] = [None] * 30 + body["series"][0]["target"]
    np.testing.assert_array_equal(values(posted(client, body)), of_library(panel_of(np.arange(10))))


def test_horizons_beyond_its_own_are_rolled_out_and_levels_are_those_asked_for(client: httpx.Client) -> None:
    panel = waves("h", 100)
    found = posted(client, request_of(panel, horizon=100, roll_out=True, quantiles=[0.25, 0.5]))
    np.testing.assert_array_equal(values(found), of_library(panel, 100, [0.25, 0.5], roll_out=True))


def test_series_of_many_frequencies_are_answered_at_once(client: httpx.Client) -> None:
    panels = [waves(frequency, 80 * factor) for frequency in FREQUENCIES for factor in (1, 2, 3)]
    with ThreadPoolExecutor(12) as clients:
        found = list(clients.map(lambda panel: values(posted(client, request_of(panel))), panels * 2))
    for panel, one in zip(panels * 2, found, strict=True):
        np.testing.assert_allclose(one, of_library(panel), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("accept", [PARQUET, ARROW, "application/json"])
def test_tables_of_any_frequency_are_read_as_files_are(client: httpx.Client, accept: str) -> None:
    frame = waves("D").to_frame()
    query = {"model": ZERO_SHOT, "quantiles": "0.1,0.5,0.9"}
    headers = {"content-type": PARQUET}
    reply = client.post("/v1/forecast", params=query, content=parquet_of(frame), headers=headers)
    assert reply.status_code == 200, reply.text
    np.testing.assert_array_equal(values(reply.json()), of_library(read_panel(frame).panel))
    named = client.post(
        "/v1/forecast",
        params={**query, "frequency": "D"},
        content=parquet_of(frame),
        headers={**headers, "accept": accept},
    )
    assert (named.status_code, named.headers["content-type"]) == (200, accept)


def test_requests_of_one_context_share_forward_passes_whatever_their_lengths(tmp_path: Path) -> None:
    app = fresh_app(tmp_path, FakeRegistry(tmp_path / "registry"))
    gate, service = threading.Event(), app.state.service
    panels = [waves("h", length) for length in (500, 505, 512, 498)]

    async def ask(client: httpx.AsyncClient) -> str:
        first = asyncio.create_task(service.batcher.answer(Alone(gate.wait, 1), time.monotonic() + 30))
        posts = [client.post("/v1/forecast", json=request_of(panel)) for panel in panels]
        replies = [asyncio.create_task(post) for post in posts]
        while service.batcher.backlog_seconds < 8 * 0.005:
            await asyncio.sleep(0.01)
        gate.set()
        for panel, reply in zip(panels, await asyncio.gather(*replies), strict=True):
            np.testing.assert_allclose(values(reply.json()), of_library(panel), rtol=1e-4, atol=1e-4)
        await first
        return (await client.get("/metrics")).text

    lines = [line for line in asking(app, ask).splitlines() if line.startswith("forecaster_batch_rows_")]
    assert all(f'model="{ZERO_SHOT}"' in line for line in lines)
    assert [float(line.rpartition(" ")[2]) for line in lines if "_sum" in line or "_count" in line] == [4, 4 * 8]


# What is refused.


@pytest.mark.parametrize(
    ("series", "code", "said"),
    [
        ({"start": "2024-01-01"}, "invalid-fields", "frequency: is missing: this model is of any"),
        ({"timestamps": ["2024-01-01", "2024-01-02"]}, "frequency-needed", "series 'a' is unclear"),
        ({"timestamps": ["2024-01-01", "2024-01-02", "2024-01-05T13:01:07"]}, "irregular-timestamps", "series 'a'"),
        ({"timestamps": [20240130, 20240131, 20240201]}, "integer-dates", "look like dates"),
    ],
)
def test_series_that_do_not_say_their_frequency_are_refused(
    client: httpx.Client, series: dict[str, Any], code: str, said: str
) -> None:
    target = [1.0, 2.0, 3.0][: len(series.get("timestamps", "abc"))]
    reply = client.post("/v1/forecast", json={"series": [{"id": "a", "target": target, **series}]})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert said in reply.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"known": {"price": [1.0] * 100}}, "series.0.known.price"),
        ({"static": {"size": 1.0}}, "series.0.static.size"),
        ({"group": "north"}, "series.0.group"),
    ],
)
def test_covariates_are_refused_as_by_a_model_that_reads_none(
    client: httpx.Client, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    body = request_of(sine_panel(1, 30))
    body["series"][0] |= changes
    found = client.post("/v1/forecast", json=body)
    with on_a_socket(app_of(small_predictor(), tmp_path), Settings(home=tmp_path, port=0)) as registered:
        expected = registered.post("/v1/forecast", json=body)
    assert found.status_code == expected.status_code == 422
    assert found.json()["errors"] == expected.json()["errors"]
    assert found.json()["errors"][0]["field"] == field


def test_joint_scenarios_and_fine_tuning_are_refused(client: httpx.Client) -> None:
    panel = waves("h", 100)
    drawn = client.post("/v1/forecast", json=request_of(panel, samples={"number": 3}))
    assert (drawn.status_code, drawn.json()["code"]) == (422, "no-templates")
    ordered = client.post("/v1/finetune", json={"model": ZERO_SHOT, "series": request_of(panel)["series"]})
    assert (ordered.status_code, ordered.json()["errors"][0]["field"]) == (422, "model")
    assert "cannot be trained further" in ordered.json()["detail"]


def test_of_the_dialects_that_of_timegpt_alone_has_a_part_in_it(client: httpx.Client) -> None:
    for path in (*GETS, *BODIES):
        reply = client.post(path, json=BODIES[path]) if path in BODIES else client.get(path)
        if path in TIMEGPT:
            assert reply.status_code == 200, reply.text
        elif reply.status_code != 200:
            assert (reply.status_code, code_of(path, reply)) == (503, "not-ready")
    sizes = client.get("/model_params", params={"model": "timegpt-1", "freq": "W"}).json()
    assert sizes == {"detail": {"input_size": 1024, "horizon": 64}}
    assert client.get("/v2/models").json() == {"models": [{"name": "timegpt-1"}, {"name": ZERO_SHOT}]}


@pytest.mark.parametrize("name", ["timegpt-1", "azureai", ZERO_SHOT])
def test_clients_of_timegpt_get_the_numbers_of_v1_for_any_frequency(client: httpx.Client, name: str) -> None:
    for freq, start in (("D", "2024-01-01"), ("QS", "2001-01-01")):
        target = [float(10 + step % 7 + step / 10) for step in range(90)]
        sent = {"series": {"y": target, "sizes": [90], "start_datetime": [start]}, "freq": freq, "h": 70, "level": [80]}
        found = client.post("/v2/forecast", json={**sent, "model": name}).json()
        series = [{"id": "0", "start": start, "target": target}]
        asked = {"series": series, "frequency": freq, "horizon": 70, "quantiles": LEVELS, "roll_out": True}
        wanted = posted(client, asked)["forecasts"][0]["quantiles"]
        assert found["mean"] == wanted["0.5"]
        assert found["intervals"] == {"lo-80": wanted["0.1"], "hi-80": wanted["0.9"]}
        assert found["model"]["name"] == ZERO_SHOT


def test_clients_of_timegpt_cannot_train_it_further(client: httpx.Client) -> None:
    sent = {"series": {"y": [1.0, 2.0] * 50, "sizes": [100], "start_datetime": ["2024-01-01"]}, "freq": "D"}
    reply = client.post("/v2/finetune", json={**sent, "model": "timegpt-1", "finetune_steps": 5, "finetune_depth": 5})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "model")


# What is told of it.


def test_it_is_listed_and_described_and_the_service_is_ready_without_a_registered_model(client: httpx.Client) -> None:
    found = client.get("/v1/models").json()
    (one,) = found["models"]
    assert one == {**client.get("/v1/model").json(), "serving_seconds": one["serving_seconds"]}
    assert one["name"] == one["spec"] == ZERO_SHOT
    assert (one["frequency"], one["horizon"], one["context_length"]) == ("any", 64, 1024)
    assert (one["desired"], one["refused"], found["waiting"]) == (None, None, [])
    assert one["training"]["is_synthetic"] is True
    assert client.get("/readyz").json() == {"status": "ready", "models": {}, "zero_shot": one["version"]}


def test_metrics_name_it_by_one_version_whatever_is_asked(client: httpx.Client) -> None:
    for length in (40, 80, 120):
        for frequency in ("h", "D", "7min"):
            posted(client, request_of(sine_panel(1, length, frequency=frequency)))
    text = client.get("/metrics").text
    version = client.get("/v1/model").json()["version"]
    counted = [line for line in text.splitlines() if line.startswith("forecaster_series_total")]
    assert [line.rpartition(" ")[0] for line in counted] == [
        f'forecaster_series_total{{model="{ZERO_SHOT}",version="{version}"}}'
    ]
