"""Shadows: the challenger is asked beside the champion, its answers are recorded, and nobody waits for them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from fastapi import FastAPI

from forecaster.predictor import Predictor
from forecaster.types import Forecast
from service.compute.work import Alone
from service.model_spec import ModelSpec
from service.models.registry import VersionRef
from service.models.view import Following, ServedModel, View
from service.telemetry.shadow import distance
from tests.explain.factories import predictor_of
from tests.factories import panel_of
from tests.service.factories import app_of, asking
from tests.service.fake_models import Echo, served_as_waves
from tests.service.request_bodies import HISTORY, valid


def beside(app: FastAPI, challenger: Predictor | None) -> None:
    """Serves a challenger as version 2 of 'waves' beside what the application serves."""
    models = app.state.service.models
    bundle = models.find(None).bundle
    found = None
    if challenger is not None:
        other = replace(bundle, predictor=challenger)
        found = ServedModel(ModelSpec("waves", "challenger"), VersionRef("waves", "2", "sha256:1"), other, 1)
    models.challenger_of = lambda _: found


def metrics_after(app: FastAPI, num_requests: int = 3) -> dict[str, float]:
    async def ask(client: httpx.AsyncClient) -> str:
        for _ in range(num_requests):
            assert (await client.post("/v1/forecast", json=valid())).status_code == 200
            for _ in range(200):
                if not app.state.service.shadow.is_running:
                    break
                await asyncio.sleep(0.01)
        return (await client.get("/metrics")).text

    found = re.findall(r"^(forecaster_shadow[a-z_]*\{.*\}) ([0-9.e+-]+)$", asking(app, ask), re.MULTILINE)
    return {name: float(value) for name, value in found if "bucket" not in name and "created" not in name}


OUTCOME = 'forecaster_shadows_total{{model="waves",outcome="{}",version="2"}}'
DISTANCE = 'forecaster_shadow_distance_sum{model="waves",version="2"}'


def test_every_request_goes_to_the_challenger_too_where_the_share_is_one(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, shadow_share=1)
    beside(app, predictor_of(num_networks=2))
    found = metrics_after(app)
    assert found[OUTCOME.format("answered")] == 3
    assert found[DISTANCE] > 0.01


def test_a_challenger_that_says_the_same_has_no_distance(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, shadow_share=1)
    beside(app, predictor_of())
    assert metrics_after(app)[DISTANCE] == pytest.approx(0, abs=1e-6)


def test_without_a_share_or_a_challenger_nothing_is_asked(tmp_path: Path) -> None:
    for folder, share, challenger in (("a", 0, predictor_of()), ("b", 1, None)):
        app = app_of(predictor_of(), tmp_path / folder, shadow_share=share)
        beside(app, challenger)
        assert metrics_after(app) == {}


def test_a_challenger_that_fails_is_counted_and_nobody_notices(tmp_path: Path) -> None:
    broken = predictor_of()
    with torch.no_grad():
        next(broken.network.decoder.parameters()).fill_(torch.nan)
    for folder, challenger, code in (
        ("a", broken, "model-not-finite"),
        ("b", predictor_of(frequency="D"), "frequency-mismatch"),
        ("c", predictor_of(horizon=2), "horizon-out-of-range"),
    ):
        app = app_of(predictor_of(), tmp_path / folder, shadow_share=1)
        beside(app, challenger)
        assert metrics_after(app, 1) == {OUTCOME.format(code): 1}


def test_a_busy_service_drops_shadows(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, shadow_share=1)
    beside(app, predictor_of())
    service, echo = app.state.service, Echo()

    async def ask(client: httpx.AsyncClient) -> str:
        echo.gate.clear()
        busy: Any = asyncio.create_task(service.batcher.answer(Alone(echo.gate.wait, 1), 1e12))
        await asyncio.sleep(0)
        model = service.models.find(None)
        question = model.bundle.predictor.question(panel_of(HISTORY), 4, (0.1, 0.9))
        service.shadow.follow(type("Asked", (), {"model": model})(), question.forecast(np.zeros((1, 4, 2))))
        echo.gate.set()
        await busy
        return (await client.get("/metrics")).text

    assert OUTCOME.format("dropped") + " 1.0" in asking(app, ask)


def test_distance_is_a_share_of_the_width_that_was_given() -> None:
    given = np.array([[[0.0, 2.0, 4.0]]])
    panel = panel_of([1.0])
    first, second, flat = (
        Forecast(panel.series_ids, panel.axis, panel.ends, (0.1, 0.5, 0.9), values)
        for values in (given, given + 1, np.ones_like(given))
    )
    assert distance(second, first) == pytest.approx(0.25)
    assert distance(first, flat) is None


def test_a_view_knows_the_challenger_unless_it_is_the_same_version() -> None:
    champion = served_as_waves(None)
    same = ServedModel(ModelSpec("waves", "challenger"), champion.reference, champion.bundle, 1)
    other = ServedModel(same.spec, VersionRef("waves", "2", "sha256:1"), champion.bundle, 1)
    view = View("champion", {champion.spec: Following()}).with_served(champion)
    assert view.challenger_of(champion) is None
    assert view.with_served(same).challenger_of(champion) is None
    assert view.with_served(other).challenger_of(champion) is other
