"""A forecast that is asked for once more has the same bytes, whoever it was computed with, and whatever serves now."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.requests.media import ARROW, PARQUET
from service.settings import Settings
from tests.conftest import Registry, running_service
from tests.service.request_bodies import HISTORY, valid
from tests.service.tables.factories import parquet_of


@pytest.fixture(scope="module")
def service(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(
        home=home,
        registry_uri=registry.uri,
        authentication=False,
        runtime="eager",
        max_queue_seconds=30.0,  # all that is asked at once is answered
        port=0,
    )
    with running_service(settings, {"waves", "days"}) as client:
        yield client


def series(number: int, num_series: int = 1) -> list[dict[str, Any]]:
    draw = np.random.default_rng(number)
    targets = (np.array(HISTORY) * draw.uniform(0.5, 200) + draw.normal(0, 3, (num_series, 60))).tolist()
    start = "2024-01-01T00:00:00"
    return [{"id": f"{number} {place}", "start": start, "target": one} for place, one in enumerate(targets)]


def assert_same(client: httpx.Client, given: httpx.Response, forecast_id: str) -> None:
    assert given.status_code == 200, given.text
    again = client.post(f"/v1/forecasts/{forecast_id}/replay")
    assert again.status_code == 200, again.text
    assert (again.content, again.headers["x-replay"]) == (given.content, "same")
    assert again.headers["content-type"] == given.headers["content-type"]


def test_forecasts_that_shared_a_forward_pass_come_out_the_same_alone(service: httpx.Client) -> None:
    bodies = [valid(series=series(number, 1 + number % 3)) for number in range(60)]
    with ThreadPoolExecutor(20) as clients:
        given = list(clients.map(lambda body: service.post("/v1/forecast", json=body), bodies))
    rows = service.get("/metrics").text
    assert 'forecaster_batch_rows_bucket{le="1.0"' in rows
    for reply in given:
        assert_same(service, reply, reply.json()["id"])


@pytest.mark.parametrize(
    "changes",
    [
        {"series": series(1, 70)},  # in three pieces
        {"intervals": [50, 80], "quantiles": [0.25, 0.5]},
        {"horizon": 30, "roll_out": True},
        {"samples": {"number": 5, "seed": 3}},
        {"timezone": "Europe/Berlin", "segment": "north"},
        {"series": [{**series(2)[0], "target": [*HISTORY[:30], None, *HISTORY[31:]]}]},
        {"horizon": ...},
        {"adapt": True, "quantiles": [0.1, 0.9], "samples": {"number": 2, "seed": 0}},
    ],
)
def test_whatever_was_asked_comes_out_the_same(service: httpx.Client, changes: dict[str, Any]) -> None:
    given = service.post("/v1/forecast", json=valid(**changes))
    assert_same(service, given, given.json()["id"])


def test_a_replay_costs_the_bytes_of_its_request_and_says_so(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri=registry.uri, port=0)
    terms = KeyTerms((Scope.FORECAST,), rate=Rate(burst=300, per_minute=1))
    headers = {"Authorization": f"Bearer {KeyStore(KeyFiles.of(settings)).create(terms).token}"}
    with running_service(settings, {"waves", "days"}) as client:
        given = client.post("/v1/forecast", json=valid(), headers=headers)  # 60 points x 4 steps
        assert given.status_code == 200, given.text
        refused = client.post(f"/v1/forecasts/{given.json()['id']}/replay", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "cost-too-high")
    num_bytes = len(given.request.content)
    assert f"cost {num_bytes}," in refused.json()["detail"]
    assert "the bytes of the request that it repeats" in refused.json()["detail"]


@pytest.mark.parametrize("accept", [ARROW, PARQUET, "application/json"])
def test_tables_come_out_the_same(service: httpx.Client, accept: str) -> None:
    hours = pd.date_range("2024-01-01", periods=60, freq="h")
    body = parquet_of(pd.DataFrame({"unique_id": "a", "ds": hours, "y": HISTORY}))
    headers = {"content-type": PARQUET, "accept": accept}
    given = service.post("/v1/forecast?model=waves&horizon=4&intervals=80", content=body, headers=headers)
    assert_same(service, given, given.headers.get("x-forecast-id") or given.json()["id"])
