"""The pictures of docs/analysts.md: real runs in MLflow's own UI, looked at by a headless Chromium.

    python -m benchmarks.analysts [--home FOLDER] [--only runs card] [--save]

Six small trainings on hourly weather are made in `--home`, where they are not there already; then a real MLflow server
shows them. Pictures are written into docs/images with `--save`, and else into the home.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from playwright.sync_api import Browser, Page

from benchmarks.analysts_runs import MODEL, make_runs
from pipelines import tracking
from pipelines.config import Environment
from pipelines.experiment_view import VIEW
from pipelines.report.page import write_page
from pipelines.report.runs import read_runs
from pipelines.report.verdicts import RunComparison
from tests.browser.browser import WAIT_MILLISECONDS, launched
from tests.stack.servers import mlflow_ui

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _HEIGHT = 1480, 780
_SETTLE_MILLISECONDS = 8000  # charts move into place
_TO_MASE, _BESIDE = 1280, 400  # pixels of the table of metrics
# The table of metrics scrolls in itself, and its names apart from its values.
_SCROLL = "(at, far) => { while (at.scrollHeight <= at.clientHeight + 20) at = at.parentElement; at.scrollTop = far }"
# The UI opens a panel of its own on the first visit, over a quarter of the page, and begins with language models.
_SETTINGS = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.workflowType_v1', '"machine_learning"');
"""


@dataclass(frozen=True)
class Shot:
    """One picture: a page of the UI, a text that has to be there to be seen, and what is done before it is taken."""

    name: str
    path: str
    shows: str
    before: Callable[[Page], None] = lambda _: None
    height: int = _HEIGHT


def main() -> None:
    """Makes the runs and takes the pictures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--home", type=Path, help="where the runs are kept; by default nowhere")
    arguments.add_argument("--only", nargs="*", default=[], help="names of pictures")
    arguments.add_argument("--save", action="store_true", help="write docs/images/analysts-*.png")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="analysts-") as folder:
        environment = make_runs(given.home or Path(folder))
        client = tracking.connect(environment)
        target = IMAGES if given.save else environment.home
        with mlflow_ui(environment.home) as url, launched() as browser:
            shots = [*_shots(client, url), _comparison(client, environment)]
            for shot in shots:
                if not given.only or shot.name in given.only:
                    _take(browser, shot, target / f"analysts-{shot.name}.png")


def _shots(client: MlflowClient, url: str) -> list[Shot]:
    experiment = str(client.get_experiment_by_name(MODEL).experiment_id)
    trained = _runs(client, experiment, "tags.stage = 'train' and tags.role = 'model'")
    backtest = (_runs(client, experiment, "tags.stage = 'backtest' and tags.role = 'model'") or trained)[-1]
    naive = _runs(client, experiment, "tags.stage = 'promote' and tags.role = 'seasonal_naive'")[-1]
    trend = _runs(client, experiment, "tags.stage = 'trend'")[0]
    base = f"{url}/#/experiments/{experiment}"
    many = f"runs={quote(json.dumps([*trained, naive, backtest][-6:]))}&experiments={quote(json.dumps([experiment]))}"
    curve = quote(json.dumps("mase_by_step"))
    keys = f"metric={curve}&plot_metric_keys={quote(json.dumps(['mase_by_step']))}&plot_layout={{}}&x_axis=step"
    more = "y_axis_scale=linear&line_smoothness=1&show_point=false&deselected_curves=[]&last_linear_y_axis_range=[]"
    ours = quote("tags.stage = 'train' and tags.role = 'model'")
    artifacts = f"{base}/runs/{backtest}/artifacts"
    return [
        Shot("runs", f"{base}/runs?viewStateShareKey={VIEW}", f"{MODEL} h0024"),
        Shot("compare", f"{url}/#/compare-runs?{many}", "Comparing 6 Runs", _to_metrics, 1000),
        Shot("horizon", f"{url}/#/metric?{many}&{keys}&{more}", "mase_by_step", _drawn),
        Shot("tables", f"{artifacts}/tables/series.json", "View as table", _without_path),
        Shot("figures", f"{artifacts}/figures/error_over_time.png", "figures", _without_path),
        Shot("evaluation", f"{base}/runs?compareRunsMode=ARTIFACT&searchFilter={ours}", "Group by"),
        Shot("card", f"{url}/#/models/{MODEL}/versions/{len(trained)}", "Accuracy", height=1240),
        Shot("trend", f"{base}/runs/{trend}/model-metrics", "served_mase", _drawn, height=1000),
    ]


def _comparison(client: MlflowClient, environment: Environment) -> Shot:
    """Gives the picture of a page that `compare` writes."""
    path = environment.home / "comparison.html"
    write_page(RunComparison(read_runs(client, [f"{MODEL}/1", f"{MODEL}/2"])), path)
    return Shot("comparison", path.absolute().as_uri(), "Which is better", height=1000)


def _runs(client: MlflowClient, experiment: str, wanted: str) -> list[str]:
    """Gives the ids of finished runs, the oldest first."""
    found = client.search_runs(
        [experiment], f"{wanted} and attributes.status = 'FINISHED'", order_by=["attributes.start_time ASC"]
    )
    return [str(run.info.run_id) for run in found]


def _to_metrics(page: Page) -> None:
    """Folds up what stands between the names of the runs and their metrics, and shows MASE."""
    for name in ("Visualizations", "Parameters", "Artifacts"):
        page.get_by_text(name, exact=True).first.click()
    name = page.get_by_text("coverage_20", exact=True).first
    place = name.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + _BESIDE, place["y"])
    page.mouse.wheel(0, _TO_MASE)
    name.evaluate(_SCROLL, _TO_MASE)
    page.get_by_text("Comparing 6 Runs").last.scroll_into_view_if_needed()


def _without_path(page: Page) -> None:
    """Hides where on this machine the file lies."""
    page.get_by_text("Path: ").first.evaluate("shown => { shown.style.visibility = 'hidden' }")


def _drawn(page: Page) -> None:
    """Waits for the lines of a chart."""
    page.locator(".scatterlayer .trace").first.wait_for(state="attached")


def _take(browser: Browser, shot: Shot, path: Path) -> None:
    with browser.new_context(viewport={"width": _WIDTH, "height": shot.height}) as context:
        context.add_init_script(_SETTINGS)
        page = context.new_page()
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.goto(shot.path, wait_until="domcontentloaded")
        page.get_by_text(shot.shows).first.wait_for()
        page.wait_for_timeout(_SETTLE_MILLISECONDS)
        shot.before(page)
        page.wait_for_timeout(_SETTLE_MILLISECONDS)
        page.screenshot(path=path)
    print(path, flush=True)


if __name__ == "__main__":
    main()
