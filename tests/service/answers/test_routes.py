"""What holds of both routes for rolling forecasts: keys, costs, media types, deadlines, room for others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from forecaster.predictor import Predictor
from forecaster.rolling import Rolled
from forecaster.time.frequency import Frequency
from forecaster.types import WindowBatch
from service.access.guards import Guarded
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.answers.asked import RollingAsked, backtest_asked
from service.answers.endpoint import AnswerEndpoint
from service.answers.operations import ANOMALIES, BACKTEST, OPERATIONS
from service.answers.schemas import BacktestRequest
from service.app import create_app
from service.routes.named import NamedRoute
from service.settings import Settings
from tests.service.answers.factories import WAVE, answer, request_of
from tests.service.factories import app_of, asking, on_a_socket
from tests.test_predictor import network

PATHS = (BACKTEST, ANOMALIES)
MANY = {BACKTEST: {"num_windows": 60, "step_size": 1, "horizon": 2}, ANOMALIES: {"detection_size": 60, "step_size": 1}}
each_path = pytest.mark.parametrize("path", PATHS)


def tiny() -> Predictor:
    return Predictor(network(), Frequency.parse("h"))


class Gated(Predictor):
    """A predictor that computes one batch for each permit, and keeps the sizes of batches."""

    permits: threading.Semaphore
    sizes: list[int]

    @classmethod
    def made(cls) -> Gated:
        found = cls(network(), Frequency.parse("h"))
        found.permits, found.sizes = threading.Semaphore(0), []
        return found

    def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
        assert self.permits.acquire(timeout=10)
        self.sizes.append(len(windows.context))
        return super().answer(windows, levels)


def serving(app: FastAPI, predictor: Predictor) -> None:
    """Puts a predictor that is made for a test into the place of the one that an application loaded."""
    bundle = app.state.service.models.find(None).bundle
    object.__setattr__(bundle, "predictor", predictor)


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[tuple[FastAPI, Gated]]:
    app, predictor = app_of(tiny(), tmp_path, max_batch=8), Gated.made()
    serving(app, predictor)
    yield app, predictor
    predictor.permits.release(1000)


@each_path
def test_a_key_with_the_scope_is_asked_for(tmp_path: Path, path: str) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", port=0)
    keys = KeyStore(KeyFiles.of(settings))
    metrics, forecast = (keys.create(KeyTerms((scope,))).token for scope in (Scope.METRICS, Scope.FORECAST))
    with on_a_socket(create_app(settings), settings) as client:
        found = [
            client.post(path, json=request_of(WAVE), headers=headers).status_code
            for headers in ({}, *({"Authorization": f"Bearer {token}"} for token in (metrics, forecast)))
        ]
    assert found == [401, 403, 503]  # no model is loaded


@pytest.mark.parametrize(
    ("path", "options", "cost"),
    [
        (BACKTEST, {"horizon": 4, "num_windows": 3}, 150 * 4),  # three windows see 32 steps each: fewer than were sent
        (BACKTEST, {"horizon": 4, "num_windows": 20, "step_size": 2}, 20 * 32 * 4),
        (BACKTEST, {"history": True, "horizon": 2, "min_context": 10}, (sum(range(10, 32, 2)) + 59 * 32) * 2),
        (ANOMALIES, {"detection_size": 10, "step_size": 1}, 10 * 32),
        (ANOMALIES, {"detection_size": 10}, 150 * 8),
    ],
    ids=str,
)
def test_a_key_pays_for_what_each_forecast_sees(tmp_path: Path, path: str, options: dict[str, Any], cost: int) -> None:
    keys = KeyStore(KeyFiles.of(Settings(home=tmp_path)))
    rates = [Rate(burst=burst, per_minute=1) for burst in (cost, cost - 1)]
    tokens = [keys.create(KeyTerms((Scope.FORECAST,), rate=rate)).token for rate in rates]
    app = app_of(tiny(), tmp_path, authentication=True)

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        headers = ({"Authorization": f"Bearer {token}"} for token in tokens)
        return [await client.post(path, json=request_of(WAVE, **options), headers=one) for one in headers]

    enough, too_little = asking(app, ask)
    assert enough.status_code == 200, enough.text
    assert (too_little.status_code, too_little.json()["code"]) == (413, "cost-too-high")
    assert f"cost {cost}," in too_little.json()["detail"]


@each_path
def test_bodies_that_are_no_json_and_options_in_the_query_are_refused(service: httpx.Client, path: str) -> None:
    def problem(**sent: Any) -> tuple[int, str]:
        reply = service.post(path, **sent)
        assert reply.headers["content-type"] == "application/problem+json"
        return reply.status_code, reply.json()["code"]

    json = {"content-type": "application/json"}
    assert problem(content=b"{", headers=json) == (400, "invalid-json")
    assert problem(content=b"", headers={"content-type": "text/csv"}) == (415, "unsupported-media-type")
    for table in ("application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"):
        assert problem(content=b"", headers={"content-type": table}) == (415, "unsupported-media-type")
    assert problem(json=request_of(WAVE), params={"step_size": 2}) == (422, "invalid-fields")
    assert problem(json=request_of(WAVE) | {"model": "nobody"}) == (404, "unknown-model")
    assert problem(content=b" " * ((1 << 20) + 1), headers=json) == (413, "body-too-large")
    assert problem(json=request_of([None, None])) == (422, "no-observed-value")
    assert problem(json=request_of([0.0] * 20_001)) == (422, "invalid-fields")
    assert problem(json=request_of(*[WAVE] * 9)) == (422, "invalid-fields")
    assert service.get(path).status_code == 405


@each_path
def test_a_forecast_is_answered_between_the_pieces_of_a_large_request(gated: tuple[FastAPI, Gated], path: str) -> None:
    app, predictor = gated
    levels = {"level": 60} if path == ANOMALIES else {}

    async def ask(client: httpx.AsyncClient) -> tuple[int, int, list[int]]:
        large = asyncio.create_task(client.post(path, json=request_of(WAVE, **MANY[path], **levels)))
        while app.state.service.batcher.busy_seconds == 0:
            await asyncio.sleep(0.01)
        forecast = asyncio.create_task(client.post("/v1/forecast", json=request_of(WAVE, horizon=2)))
        await asyncio.sleep(0.1)
        predictor.permits.release(3)
        status = (await asyncio.wait_for(forecast, 5)).status_code
        early = large.done()
        predictor.permits.release(1000)
        return status, (await large).status_code, [*predictor.sizes[:1], int(early)]

    assert asking(app, ask) == (200, 200, [8, 0])
    assert sum(predictor.sizes) == 61
    assert max(predictor.sizes) <= 8


@each_path
def test_a_request_that_runs_out_of_time_is_not_computed_to_its_end(gated: tuple[FastAPI, Gated], path: str) -> None:
    app, predictor = gated

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        headers = {"X-Request-Deadline-Ms": "300"}
        reply = await client.post(path, json=request_of(WAVE, **MANY[path]), headers=headers)
        predictor.permits.release(1000)
        return reply

    reply = asking(app, ask)
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline-exceeded")
    assert predictor.sizes in ([], [8])


def test_scores_that_take_too_long_are_not_waited_for(tmp_path: Path) -> None:
    done = threading.Event()

    def slow(asked: RollingAsked[BacktestRequest], rolled: Rolled) -> bytes:
        done.wait(10)
        return b"{}"

    app = app_of(tiny(), tmp_path)
    endpoint = AnswerEndpoint(BacktestRequest, backtest_asked, slow)
    app.router.routes.append(NamedRoute("/slow", Guarded(endpoint, Scope.FORECAST), methods=["POST"]))
    headers = {"X-Request-Deadline-Ms": "400"}
    reply = asking(app, lambda client: client.post("/slow", json=request_of(WAVE), headers=headers))
    done.set()
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline-exceeded")
    assert "scored" in reply.json()["detail"]


def test_a_forecast_that_is_not_finite_is_withheld(tmp_path: Path) -> None:
    class NotFinite(Predictor):
        def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
            return np.full((len(windows.context), 8, len(levels)), np.inf)

    app = app_of(tiny(), tmp_path)
    serving(app, NotFinite(network(), Frequency.parse("h")))
    reply = asking(app, lambda client: client.post(BACKTEST, json=request_of(WAVE)))
    assert (reply.status_code, reply.json()["code"]) == (500, "model-not-finite")


def test_requests_and_windows_are_counted(service: httpx.Client) -> None:
    def series_forecast() -> float:
        name = 'forecaster_series_total{model="waves",version="1"}'
        lines = service.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    before = series_forecast()
    answer(service, BACKTEST, request_of(WAVE, WAVE, num_windows=3))
    assert series_forecast() - before == 6
    text = service.get("/metrics").text
    assert 'forecaster_requests_total{method="POST",route="/v1/backtest",status="200"}' in text


def test_the_document_of_the_interface_describes_both(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", authentication=False))
    document = app.openapi()
    for one in OPERATIONS:
        operation = document["paths"][one.path]["post"]
        assert operation["security"] == [{"key": []}]
        assert {"200", "400", "401", "403", "404", "413", "415", "422", "429", "503", "504"} <= set(
            operation["responses"]
        )
        for schema in (one.request, one.reply):
            assert schema.__name__ in document["components"]["schemas"]
        assert one.request.model_validate(one.example).series


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_the_example_of_a_request_is_answered(service: httpx.Client, one: Any) -> None:
    found = answer(service, one.path, {**one.example, "model": "waves"})
    assert one.reply.model_validate_json(httpx.Response(200, json=found).content).series


def test_pieces_of_several_backtests_share_forward_passes(tmp_path: Path) -> None:
    app = app_of(tiny(), tmp_path)
    served = Gated.made()
    serving(app, served)

    async def ask(client: httpx.AsyncClient) -> list[int]:
        body = request_of(WAVE, horizon=2, num_windows=3)
        replies = [asyncio.create_task(client.post(BACKTEST, json=body)) for _ in range(4)]
        await asyncio.sleep(0.5)
        served.permits.release(1000)
        return [(await reply).status_code for reply in replies]

    assert asking(app, ask) == [200] * 4
    assert sum(served.sizes) == 12
    assert max(served.sizes) >= 6
