"""The page of a service without any registered model: the encoder in the box answers there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import Watched
from tests.service.fresh import fresh_client

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fresh(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_client(tmp_path_factory.mktemp("fresh")) as client:
        yield str(client.base_url)


@pytest.mark.parametrize("example", ["Weather", "CO₂"])
def test_each_example_is_forecast_tested_and_explained(tab: Watched, fresh: str, example: str) -> None:
    page = tab.page
    page.goto(fresh)
    page.locator(f"#examples button:has-text('{example}')").click()
    assert "zero-shot" in tab.shown("#ask")
    assert "The data has the frequency" not in tab.shown("#model-hint")
    page.click("#forecast-button")
    tab.shown("#fan canvas")
    assert "By zero-shot built-in-" in tab.shown("#forecast-by")
    page.click("#backtest-form button")
    tab.shown("#backtest .verdict")
    page.click("#why-form button")
    tab.shown("#why canvas")
    assert tab.refusals == []


def test_a_file_of_any_frequency_is_forecast_and_one_that_does_not_say_it_is_refused(tab: Watched, fresh: str) -> None:
    tab.page.goto(fresh)
    rows = "".join(f"{1990 + year}-01-01,{year % 5}\n" for year in range(30))
    tab.take("years.csv", "ds,y\n" + rows)
    tab.shown("#ask")
    tab.page.click("#forecast-button")
    tab.shown("#fan canvas")
    tab.take("short.csv", "ds,y\n2024-01-01,1\n2024-01-02,2\n")
    assert "frequency" in tab.shown("#data .problem")
    assert len(tab.refusals) == 1
