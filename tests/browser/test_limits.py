"""What the page shows where a model leaves something out: windows it cannot forecast, intervals it does not know."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from playwright.sync_api import Browser

from service.settings import Settings
from tests.browser.browser import Watched
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket

pytestmark = pytest.mark.slow

_DAYS, _HORIZON = pd.date_range("2024-01-01", periods=300, freq="D"), 12
_GAP = slice(120, 220)  # longer than what a model looks at


@pytest.fixture(scope="module")
def pointing(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a model answers that forecasts single values."""
    home = tmp_path_factory.mktemp("pointing")
    app = app_of(predictor_of(head="mae", levels=(0.5,)), home)
    with on_a_socket(app, Settings(home=home, authentication=False, port=0)) as client:
        yield str(client.base_url)


def file_with_a_gap() -> str:
    values = [str(10 + place % 7) for place in range(len(_DAYS))]
    values[_GAP] = [""] * (_GAP.stop - _GAP.start)
    return "ds,y\n" + "".join(f"{day:%Y-%m-%d},{value}\n" for day, value in zip(_DAYS, values, strict=True))


def test_a_backtest_that_leaves_windows_out_stands_at_its_own_times(tab: Watched, url: str) -> None:
    page = tab.page
    page.goto(url)
    page.locator("#examples button").first.wait_for()
    tab.take("gap.csv", file_with_a_gap())
    tab.shown("#ask")
    page.select_option("#model", "days@champion")
    page.click("#forecast-button")
    tab.shown("#fan canvas")
    page.fill("#windows", "20")
    with page.expect_response("**/v1/backtest") as sent:
        page.click("#backtest-form button")
    windows = sent.value.json()["series"][0]["windows"]
    assert 0 < len(windows) < 20
    tab.shown("#backtest .verdict")
    page.locator("#backtest .chart-place summary").click()
    rows = page.locator("#backtest .chart-place tbody tr").all_inner_texts()
    shown = {cells[0]: cells[2] for cells in (row.split("\t") for row in rows)}
    told = {time[:10] for window in windows for time in window["timestamps"]}
    assert {time for time, median in shown.items() if median != "–"} == told
    assert len(shown) == 20 * _HORIZON


def test_a_model_of_single_values_is_asked_for_no_intervals(tab: Watched, pointing: str) -> None:
    page = tab.page
    page.goto(pointing)
    page.locator("#examples button").first.click()
    tab.shown("#ask")
    page.select_option("#model", "waves@champion")
    assert page.locator("#intervals input:enabled").count() == 0
    assert "one value a step, without intervals" in tab.shown("#intervals-hint")
    page.click("#forecast-button")
    tab.shown("#fan canvas")
    page.click("#backtest-form button")
    tab.shown("#backtest .verdict")
    assert tab.refusals == []
