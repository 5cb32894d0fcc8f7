"""MLflow's own UI on what a training left behind: the view of analysts, a table, and the card of a version."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser

from pipelines.experiment_view import VIEW
from tests.browser.browser import watched
from tests.conftest import Registry
from tests.stack.servers import mlflow_ui

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ui(browser: Browser, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the UI answers; what is looked at is a copy of the database, and the files that it names."""
    home = tmp_path_factory.mktemp("ui")
    shutil.copy(registry.home / "mlflow.db", home)
    with mlflow_ui(home) as url:
        yield url


def test_an_analyst_finds_runs_tables_and_cards(ui: str, browser: Browser, registry: Registry) -> None:
    client = MlflowClient(registry.uri, registry.uri)
    experiment = client.get_experiment_by_name("waves")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.stage = 'train' and tags.role = 'model'")
    with watched(browser, viewport={"width": 1500, "height": 900}) as tab:
        tab.page.goto(f"{ui}/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey={VIEW}")
        tab.page.get_by_role("columnheader", name="relative_mase").first.wait_for()
        tab.page.get_by_text(str(run.info.run_name)[:12]).first.wait_for()
        assert "uncalibrated train" not in tab.page.inner_text("body")
        tab.page.goto(
            f"{ui}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}/artifacts/tables/series.json"
        )
        for text in ("worst_series.json", "s0", "s2"):
            tab.page.get_by_text(text, exact=True).first.wait_for()
        tab.page.goto(f"{ui}/#/models/waves/versions/1")
        for heading in ("Data", "Accuracy", "Limits", "How to make it again"):
            tab.page.get_by_role("heading", name=heading, exact=True).first.wait_for()
        tab.page.get_by_text("seasonal_naive").first.wait_for()
