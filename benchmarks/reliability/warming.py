"""A service that has imported all that it ever does, so that an audit hook can take what is compiled for an attack."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from benchmarks.reliability.exchange import exchange
from benchmarks.reliability.serving import Serving, forecast_body
from benchmarks.reliability.table_cases import table_cases
from service.errors.dialects import INVOCATIONS
from service.openapi import FORECAST
from service.requests.media import CSV
from tests.service.bad_headers import WIDE


def warm(service: Serving) -> None:
    """Asks for all that imports something when it is first used: then nothing has to be imported, or compiled."""
    body: dict[str, Any] = {**forecast_body(), "timezone": "Europe/Berlin", "intervals": [80]}
    headers = {"Authorization": f"Bearer {WIDE}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
        deadline = time.monotonic() + 60
        while client.get("/v1/models").json()["registry"]["status"] != "up":  # MLflow is imported for it
            assert time.monotonic() < deadline, "the registry is not looked at"
            time.sleep(0.1)
        for path in ("/metrics", "/v1/models", "/v1/model?name=waves", "/v1/skill", "/openapi.json", "/docs", "/"):
            client.get(path)
        _warm_jobs(client, body)
        for change in ({}, {"roll_out": True, "horizon": 30}, {"samples": {"number": 2}}, {"timezone": "nowhere"}):
            reply = client.post(FORECAST, json={**body, **change}, headers={"Accept-Encoding": "identity"})
            client.get(f"/v1/forecasts/{reply.json().get('id')}/outcome")
        stamps = ["2024-01-01T01:00", "2024-01-01T00:00", "2024-01-01T00:30"]
        client.post(FORECAST, json={**body, "series": [{"id": "a", "timestamps": stamps, "target": [1.0, 2.0, 3.0]}]})
        client.post(INVOCATIONS, content="ds,y\n2024-01-01,1\n", headers={"Content-Type": CSV})
    _warm_tables(service)


def _warm_jobs(client: httpx.Client, body: dict[str, Any]) -> None:
    """Has a job done and a training ordered, which nobody does."""
    job = client.post("/v1/jobs/forecast", json=body).raise_for_status().json()["id"]
    deadline = time.monotonic() + 60
    while client.get(f"/v1/jobs/{job}").json()["status"] != "succeeded":
        assert time.monotonic() < deadline, "a job is not done"
        time.sleep(0.1)
    client.get(f"/v1/jobs/{job}/result").raise_for_status()
    order = {"max_steps": 1, **{name: value for name, value in forecast_body(400).items() if name != "horizon"}}
    ordered = client.post("/v1/finetune", json=order)
    assert ordered.status_code == 202, ordered.text
    for path in (f"/v1/jobs/{ordered.json()['id']}", "/v1/finetuned", "/v1/jobs"):
        client.get(path).raise_for_status()


def _warm_tables(service: Serving) -> None:
    """Sends a few valid tables, in all forms and types, which import what reads and writes them."""

    async def send() -> None:
        for sent in table_cases(100, WIDE, seed=-1):
            await exchange(service.address, sent)

    asyncio.run(send())
