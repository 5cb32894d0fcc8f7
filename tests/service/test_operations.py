"""Health, metrics, model descriptions and the documentation."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
import pytest

from forecaster.pretrained import ZERO_SHOT
from service.compute.work import Alone
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, asking
from tests.service.fake_models import Echo
from tests.service.request_bodies import valid


def test_health(service: httpx.Client) -> None:
    assert service.get("/livez").json() == {"status": "alive"}
    encoder = service.get("/v1/model", params={"name": ZERO_SHOT}).json()["version"]
    found = {"status": "ready", "models": {"days": "1", "waves": "1"}, "zero_shot": encoder}
    assert service.get("/readyz").json() == found


def test_a_stuck_inference_thread_makes_the_process_dead(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, stuck_seconds=0.01)
    service, echo = app.state.service, Echo()
    echo.gate.clear()

    async def ask(client: httpx.AsyncClient) -> list[int]:
        before = (await client.get("/livez")).status_code
        task = asyncio.create_task(service.batcher.answer(Alone(echo.gate.wait, 1), time.monotonic() + 10))
        while service.batcher.busy_seconds < 0.02:
            await asyncio.sleep(0.01)
        stuck = await client.get("/livez")
        assert stuck.json()["code"] == "stuck"
        echo.gate.set()
        await task
        return [before, stuck.status_code, (await client.get("/livez")).status_code]

    assert asking(app, ask) == [200, 503, 200]


def test_models_describe_what_they_can_do(service: httpx.Client) -> None:
    one = service.get("/v1/model", params={"name": "waves"}).json()
    assert one["frequency"] == "h"
    assert one["horizon"] == 12
    assert one["levels"][0] == 0.1
    assert one["training"]["data_fingerprint"].startswith("sha256:")
    assert [model["name"] for model in service.get("/v1/models").json()["models"]] == ["days", "waves", ZERO_SHOT]


@pytest.mark.parametrize(("channels", "reads_groups"), [("independent", False), ("group", True)])
def test_a_model_says_whether_its_series_see_each_other(tmp_path: Path, channels: str, reads_groups: bool) -> None:
    async def ask(client: httpx.AsyncClient) -> bool:
        found: bool = (await client.get("/v1/model")).json()["reads_groups"]
        return found

    assert asking(app_of(predictor_of(channels=channels), tmp_path), ask) is reads_groups


def test_metrics_count_requests_by_route_and_nothing_by_user_input(service: httpx.Client) -> None:
    def names_after(first: int) -> set[str]:
        service.post("/v1/forecast", json=valid())
        for number in range(first, first + 30):
            service.get(f"/scan/{number}")
            service.request(f"VERB{number}", "/v1/forecast")
        return {line.rpartition(" ")[0] for line in service.get("/metrics").text.splitlines()}

    names_after(0)
    before, after = names_after(100), names_after(200)
    assert after == before
    assert 'forecaster_series_total{model="waves",version="1"}' in after
    assert 'forecaster_model_loaded{model="days",version="1"}' in after
    assert 'forecaster_requests_total{method="POST",route="/v1/forecast",status="200"}' in after
    assert not any("scan" in name or "VERB" in name for name in after)


def test_the_openapi_document_describes_the_forecast_request(service: httpx.Client) -> None:
    document = service.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    body = document["paths"]["/v1/forecast"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ForecastRequest"}
    assert set(schemas["ForecastRequest"]["properties"]) >= {"model", "horizon", "frequency", "quantiles", "series"}
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(schemas)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_loads_nothing_from_elsewhere(service: httpx.Client, page: str) -> None:
    html = service.get(page).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert service.get(source).status_code == 200


def test_a_look_at_the_registry_can_be_asked_for(service: httpx.Client) -> None:
    assert service.post("/v1/models/refresh").json() == {"registry": "up", "swapped": [], "failed": {}}
