"""Forecasts take the short cut past FastAPI's layers, all else goes through them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.explain.factories import predictor_of
from tests.service.factories import app_of, asking
from tests.service.request_bodies import valid

_LOST = "no router"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An application whose router is broken."""
    made = app_of(predictor_of(), tmp_path)

    async def fail(*_: object) -> None:
        raise RuntimeError(_LOST)

    monkeypatch.setattr(made.router, "middleware_stack", fail)
    return made


def test_a_forecast_needs_no_router(app: FastAPI) -> None:
    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await client.post("/v1/forecast", json=valid()),
            await client.post("/v1/forecast", json=valid(horizon=0)),
            await client.get("/v1/forecast"),
            await client.post("/v1/forecasts", json=valid()),
        ]

    good, bad, *others = asking(app, ask)
    assert (good.status_code, bad.status_code, [other.status_code for other in others]) == (200, 422, [500, 500])
    assert bad.headers["content-type"] == "application/problem+json"
    for reply in (good, bad):
        assert {"x-request-id", "x-content-type-options", "cache-control"} <= set(reply.headers)
