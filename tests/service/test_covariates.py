"""A model that reads covariates is served, says which, and refuses requests, which cannot carry them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from forecaster.bundle import load_bundle, save_bundle
from forecaster.config import CovariateConfig
from forecaster.errors import (
    BundleError,
    ColumnError,
    ConfigError,
    ForecasterError,
    RequestError,
    SeriesError,
    TimestampError,
    ValueTypeError,
)
from service.app import Service, create_app
from service.engine import Engine
from service.errors import CovariatesNeeded, status_of
from service.registry import Registry, VersionRef
from service.settings import Settings
from service.telemetry import Telemetry
from service.translate import refuse_covariates
from tests.explain.factories import predictor_of
from tests.factories import panel_of
from tests.pipelines.factories import FACTS, save_priced
from tests.service.requests import HISTORY, valid


class OneModel(Registry):
    """A registry that holds one bundle, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder_of_bundle = folder
        self._digest = load_bundle(folder).digest

    def versions(self) -> list[VersionRef]:
        return [VersionRef("waves", "1", self._digest)]

    def is_cached(self, reference: VersionRef) -> bool:
        return True

    def fetch(self, reference: VersionRef) -> Path:
        return self._folder_of_bundle


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, httpx.Response]:
    """What a service of one model with covariates says of it, and to a forecast request."""
    home = tmp_path_factory.mktemp("home")
    return answers_of(home, save_priced(home / "bundle"), valid())


def answers_of(home: Path, bundle: Path, request: dict[str, Any]) -> dict[str, httpx.Response]:
    """Gives what a service of one bundle says of it, and to a forecast request."""
    settings = Settings(home=home, registry_uri="http://127.0.0.1:1", authentication=False)
    engine = Engine(OneModel(bundle), num_threads=1)
    engine.refresh()
    app = create_app(settings)
    app.state.service = Service(settings, engine, Telemetry())

    async def ask() -> dict[str, httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return {"model": await client.get("/v1/model"), "forecast": await client.post("/v1/forecast", json=request)}

    try:
        return asyncio.run(ask())
    finally:
        engine.close()


def test_a_forecast_request_gets_a_problem_that_names_every_covariate(answers: dict[str, httpx.Response]) -> None:
    reply = answers["forecast"]
    assert (reply.status_code, reply.json()["code"]) == (422, "missing-covariate")
    assert "known 'price', static 'size', category 'kind'" in reply.json()["detail"]


def test_the_description_of_the_model_names_them_too(answers: dict[str, httpx.Response]) -> None:
    expected = {"past": [], "known": ["price"], "static": ["size"], "category": ["kind"]}
    assert answers["model"].json()["covariates"] == expected


def test_a_model_that_reads_only_the_calendar_can_be_asked() -> None:
    refuse_covariates(CovariateConfig(calendar=("holiday",), holidays="DE"))
    with pytest.raises(CovariatesNeeded, match="past 'rain'"):
        refuse_covariates(CovariateConfig(past=("rain",)))


def test_a_model_that_reads_the_elapsed_time_answers_a_request_as_the_predictor_does(tmp_path: Path) -> None:
    predictor = predictor_of(positions="time", frequency="B")
    save_bundle(tmp_path / "bundle", predictor, FACTS.model_copy(update={"frequency": "B"}))
    answers = answers_of(tmp_path, tmp_path / "bundle", valid(frequency="B"))
    assert answers["model"].json()["covariates"] == {"past": [], "known": [], "static": [], "category": []}
    assert answers["forecast"].status_code == 200
    forecast = predictor.predict(panel_of(HISTORY, frequency="B"), 4, (0.1, 0.5, 0.9))
    assert list(answers["forecast"].json()["forecasts"][0]["quantiles"].values()) == forecast.values[0].T.tolist()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ColumnError("x", code="missing-covariate"), 422),
        (ColumnError("x", code="not-static"), 422),
        (TimestampError("x", code="future-gap"), 422),
        (ValueTypeError("x", code="contradiction"), 422),
        (SeriesError("x", code="unknown-series"), 422),
        (RequestError("x", code="unknown-ahead"), 422),
        (RequestError("x", code="missing-covariates"), 422),
        (ConfigError("x", code="no-holidays"), 500),
        (BundleError("x", code="other-schema"), 500),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_what_the_data_lacks_is_the_callers_and_what_the_installation_lacks_is_ours(
    error: ForecasterError, status: int
) -> None:
    assert status_of(error) == status
