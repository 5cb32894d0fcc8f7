"""What /v1/model and /v1/models say of the models in service, of those that are not, and of the registry."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from forecaster.bundle import WEIGHTS
from service import problems
from service.access.security import Security
from service.models.finetuned import FinetunedModels
from service.models.models import Models
from service.models.zero_shot import Offered, ZeroShot
from service.routes import models as routes
from service.settings import Settings
from service.telemetry.telemetry import Telemetry
from tests.service.fakes import FakeClock, FakeRegistry


async def no_finetuned(name: str, owner: str, expires: float) -> None:
    """The fine-tuned models of a key that has none."""


class Site:
    """The routes alone, on models that follow a registry in memory."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.registry = FakeRegistry(folder / "registry")
        self.clock = FakeClock()
        settings = Settings(
            home=folder, registry_uri="sqlite://", authentication=False, models=("waves", "days", "waves/1"), **given
        )
        self.models = Models(settings, self.registry, clock=self.clock)
        self.app = FastAPI()
        self.app.state.service = SimpleNamespace(
            models=self.models,
            zero_shot=(encoder := ZeroShot(settings)),
            offered=Offered(self.models, encoder),
            finetuned=FinetunedModels(settings, self.registry, no_finetuned),
            admission=SimpleNamespace(expires=lambda headers, arrival: arrival + 30),
        )
        self.app.state.security = Security.of(settings)
        self.app.include_router(routes.router)
        problems.install(self.app)

    def get(self, path: str, **query: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.get(path, params=query)

        return asyncio.run(ask())

    def list(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/v1/models").json()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_before_the_registry_was_seen_every_wanted_model_waits(site: Site) -> None:
    waiting = [
        {"spec": spec, "desired": None, "refused": None} for spec in ("days@champion", "waves/1", "waves@champion")
    ]
    registry = {"status": "never-seen", "seconds_since_success": None}
    assert site.list() == {"models": [], "waiting": waiting, "registry": registry}
    assert site.get("/v1/model", name="waves").status_code == 503


def test_a_refused_version_is_shown_beside_the_one_that_serves(site: Site) -> None:
    first = site.registry.add()
    site.models.refresh()
    site.registry.add(like="1")
    (site.registry.folder("waves", "2") / WEIGHTS).write_bytes(b"x")
    site.models.refresh()
    site.clock.now += 3
    one = site.get("/v1/model", name="waves").json()
    assert (one["spec"], one["version"], one["digest"], one["generation"]) == ("waves@champion", "1", first.digest, 1)
    assert (one["desired"], one["refused"]["version"], one["refused"]["code"]) == ("2", "2", "digest-mismatch")
    assert one["serving_seconds"] == 3
    assert 0 < one["refused"]["retry_in_seconds"] < 10
    assert (one["differing_libraries"], one["contract_changes"]) == ({}, {})
    pinned = site.get("/v1/model", name="waves/1").json()
    assert (pinned["spec"], pinned["desired"], pinned["refused"]) == ("waves/1", "1", None)


def test_a_version_that_is_not_signed_is_shown_and_counted_as_other_refusals_are(tmp_path: Path) -> None:
    site = Site(tmp_path, verifying_keys=(f"ed25519:{0:064x}",))
    site.registry.add()
    telemetry = Telemetry()
    telemetry.show_refresh(site.models.refresh(), site.models.state())
    refused = {one["spec"]: one["refused"]["code"] for one in site.list()["waiting"]}
    assert refused == {"days@champion": "alias-missing", "waves/1": "not-signed", "waves@champion": "not-signed"}
    line = 'forecaster_model_failures_total{code="not-signed",spec="waves@champion"} 1.0'
    assert line in telemetry.exposition().decode().splitlines()


def test_models_that_wait_and_an_outage_are_shown(site: Site) -> None:
    site.registry.add()
    site.models.refresh()
    site.registry.is_down = True
    site.clock.now += 40
    site.models.refresh()
    found = site.list()
    assert [model["spec"] for model in found["models"]] == ["waves/1", "waves@champion"]
    ((spec, refused),) = [(model["spec"], model["refused"]) for model in found["waiting"]]
    assert (spec, refused["code"], refused["version"]) == ("days@champion", "alias-missing", None)
    assert found["registry"] == {"status": "down", "seconds_since_success": 40}


@pytest.mark.parametrize(
    ("name", "status", "code"), [("sales", 404, "unknown-model"), ("waves/2", 404, "unknown-model")]
)
def test_other_names_get_a_problem(site: Site, name: str, status: int, code: str) -> None:
    site.registry.add()
    site.models.refresh()
    reply = site.get("/v1/model", name=name)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert site.get("/v1/model").json()["code"] == "model-missing"


def test_metrics_follow_the_models(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    telemetry = Telemetry()
    site.registry.add()
    telemetry.show_refresh(site.models.refresh(), site.models.state())
    site.registry.add(like="1")
    (site.registry.folder("waves", "2") / WEIGHTS).write_bytes(b"x")
    telemetry.show_refresh(site.models.refresh(), site.models.state())
    site.registry.is_down = True
    site.clock.now += 7
    telemetry.show_refresh(site.models.refresh(), site.models.state())
    lines = telemetry.exposition().decode().splitlines()
    for line in (
        "forecaster_registry_up 0.0",
        "forecaster_registry_last_answer_timestamp_seconds 993.0",
        'forecaster_registry_lookups_total{registry="up"} 2.0',
        'forecaster_registry_lookups_total{registry="down"} 1.0',
        'forecaster_model_swaps_total{spec="waves@champion"} 1.0',
        'forecaster_model_failures_total{code="digest-mismatch",spec="waves@champion"} 1.0',
        'forecaster_model_generation{spec="waves@champion"} 1.0',
        'forecaster_model_behind{spec="waves@champion"} 1.0',
        'forecaster_model_behind{spec="waves/1"} 0.0',
    ):
        assert line in lines
    gone = replace(site.models.state(), specs=())
    telemetry.show_refresh(site.models.refresh(), gone)
    assert 'forecaster_model_behind{spec="waves@champion"} 0.0' in telemetry.exposition().decode().splitlines()
