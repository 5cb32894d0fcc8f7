"""Rows after the last value of a file: where the forecast begins, and what is drawn before it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser

from forecaster.config import CovariateConfig
from service.settings import Settings
from tests.browser.browser import Watched
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket

pytestmark = pytest.mark.slow

# The clocks change after the last value, so that values alone have one offset, and all rows have two.
_HOURS = pd.date_range(end="2024-03-31T08:00", periods=120, freq="h", tz="Europe/Berlin")
_AHEAD = 11
_LABELS = "Chart.getChart(document.querySelector('#{} canvas')).data.labels"


@pytest.fixture(scope="module")
def pricing(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a model answers that reads what is known ahead, and the encoder in the box, which does not."""
    home = tmp_path_factory.mktemp("pricing")
    app = app_of(predictor_of(covariates=CovariateConfig(known=("price",))), home)
    with on_a_socket(app, Settings(home=home, port=0)) as client:
        yield str(client.base_url)


def table() -> pd.DataFrame:
    values = [10.0 + place % 7 for place in range(len(_HOURS) - _AHEAD)] + [None] * _AHEAD
    times = [time.isoformat() for time in _HOURS]
    return pd.DataFrame(
        {"unique_id": "a", "ds": times, "y": values, "price": [place % 5 for place in range(len(_HOURS))]}
    )


@pytest.mark.parametrize(
    ("model", "unused", "num_steps"),
    [("waves@champion", [], len(_HOURS) - _AHEAD), ("zero-shot", ["price"], len(_HOURS))],
)
def test_a_forecast_begins_where_that_of_a_table_does_and_is_drawn_there(
    tab: Watched, pricing: str, model: str, unused: list[str], num_steps: int
) -> None:
    page = tab.page
    page.goto(pricing)
    page.locator("#service:has-text('waves')").wait_for()
    tab.take("prices.csv", table().to_csv(index=False))
    assert f"Up to {_AHEAD} rows after the last value" in tab.shown("#report")
    page.select_option("#model", model)
    page.fill("#horizon", "5")
    with page.expect_response("**/v1/forecast") as asked:
        page.click("#forecast-button")
    (said,) = asked.value.json()["forecasts"]
    (wanted,) = forecast_of_table(pricing, model, table().drop(columns=unused))
    assert said["timestamps"] == wanted["timestamps"]
    assert said["quantiles"]["0.5"] == pytest.approx(wanted["quantiles"]["0.5"], rel=1e-5)
    tab.shown("#fan canvas")
    page.check("#whole")
    times = [f"{time.tz_convert('UTC'):%Y-%m-%dT%H:%M:%SZ}" for time in _HOURS[:num_steps]]
    assert page.evaluate(_LABELS.format("fan")) == times + said["timestamps"]
    page.click("#backtest-form button")
    tab.shown("#backtest .verdict")
    assert page.evaluate(_LABELS.format("backtest"))[-1] == times[-1]
    page.click("#why-form button")
    tab.shown("#why canvas")
    assert page.evaluate(_LABELS.format("why"))[-1] == times[-1]
    assert tab.refusals == []


def forecast_of_table(url: str, model: str, sent: pd.DataFrame) -> list[dict[str, dict[str, list[float]]]]:
    reply = httpx.post(
        f"{url}/v1/forecast",
        params={"model": model, "horizon": 5, "frequency": "h"},
        content=sent.to_parquet(index=False),
        headers={"Content-Type": "application/vnd.apache.parquet"},
        timeout=60,
    )
    found: list[dict[str, dict[str, list[float]]]] = reply.raise_for_status().json()["forecasts"]
    return found
