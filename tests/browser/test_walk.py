"""The whole walk over the page in a real browser: data, report, forecast, backtest, explanation, live skill."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.browser import Watched, watched

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 360, "height": 800}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DESK = {"viewport": {"width": 1180, "height": 900}}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {**DESK, "color_scheme": "light"},
    "dark": {**DESK, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "phone in the dark": {**PHONE, "color_scheme": "dark"},
}
EXAMPLE = "#examples button:has-text('Weather')"


def walk(tab: Watched, url: str) -> Iterator[str]:
    """Goes all the way, and stops where there is something to look at."""
    page = tab.page
    page.goto(url)
    page.locator(EXAMPLE).wait_for()
    yield "start"
    page.click(EXAMPLE)
    tab.shown("#report")
    yield "report"
    page.click("#forecast-button")
    tab.shown("#fan canvas")
    yield "forecast"
    page.click("#backtest-form button")
    tab.shown("#backtest .verdict")
    yield "backtest"
    page.click("#why-form button")
    tab.shown("#why canvas")
    yield "explanation"
    page.click("#skill-button")
    tab.shown("#skill .result")
    yield "skill"


@pytest.mark.parametrize("look", LOOKS)
def test_the_walk_complains_of_nothing_asks_nobody_else_and_fits(browser: Browser, url: str, look: str) -> None:
    axe = Axe()
    with watched(browser, **LOOKS[look]) as tab:
        width = LOOKS[look]["viewport"]["width"]
        for stage in walk(tab, url):
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, stage
            beyond = tab.page.evaluate(BEYOND, width)
            assert beyond == [], stage
            found = axe.run(tab.page)
            assert found.violations_count == 0, f"{stage}: {found.generate_report()}"
        assert tab.complaints == tab.refusals == []
        assert tab.origins() == {url.rstrip("/")}


# What can be used and reaches out of the window, beside what scrolls within a table.
BEYOND = """width => [...document.querySelectorAll("a, button, input, select, canvas, summary")]
  .filter(one => one.checkVisibility() && !one.closest(".scroll") && !one.matches(".skip, .covered"))
  .filter(one => one.getBoundingClientRect().right > width + 0.5).map(one => one.outerHTML)"""


def test_the_report_says_how_the_example_is_read(tab: Watched, url: str) -> None:
    walking = walk(tab, url)
    assert [next(walking), next(walking)] == ["start", "report"]
    text = tab.shown("#report")
    assert "3 series, 4,032 steps of frequency h, time zone UTC" in text
    assert "1 row(s) without a value" in text
    assert tab.page.locator("#report tbody tr").count() == 3
    assert tab.page.input_value("#horizon") == "12"
    assert "waves" in tab.page.inner_text("#model option:checked")


def test_the_fan_shows_the_numbers_of_the_service(tab: Watched, url: str) -> None:
    page = tab.page
    walking = walk(tab, url)
    next(walking), next(walking)
    page.fill("#horizon", "5")
    with page.expect_response("**/v1/forecast") as asked:
        next(walking)
    sent, said = asked.value.request.post_data_json, asked.value.json()
    assert (sent["horizon"], sent["intervals"], sent["model"]) == (5, [50, 80], "waves@champion")
    assert [series["id"] for series in sent["series"]] == ["EWR_temperature", "JFK_temperature", "LGA_temperature"]
    page.select_option("#series", label="LGA_temperature")
    forecast = said["forecasts"][2]
    drawn = page.evaluate(
        "Chart.getChart(document.querySelector('#fan canvas')).data.datasets.map(one => one.data.slice(-5))"
    )
    bands = [forecast["intervals"][percent][end] for percent in ("80", "50") for end in ("lower", "upper")]
    assert drawn[:4] == bands
    assert drawn[-1] == forecast["quantiles"]["0.5"]
    assert forecast["id"] == "LGA_temperature"
    page.click("#fan summary")
    tab.shown("#fan tbody tr:first-child")
    assert page.locator("#fan tbody tr").count() == 5
    assert "2013-12-31 00:00" in page.inner_text("#fan tbody tr:first-child")


def test_a_mouse_reads_values_and_a_click_on_a_step_explains_it(tab: Watched, url: str) -> None:
    walking = walk(tab, url)
    assert [next(walking) for _ in range(3)][-1] == "forecast"
    page = tab.page
    box = page.locator("#fan canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] - 4, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    assert "median" in page.inner_text("#fan .readout")
    assert "80 %:" in page.inner_text("#fan .readout")
    page.mouse.move(box["x"] + 100, y)
    assert "median" not in page.inner_text("#fan .readout")
    with page.expect_response("**/v1/explain") as asked:
        page.mouse.click(x, y)
    assert asked.value.request.post_data_json["step"] == 12
    text = tab.shown("#why .result")
    assert f"for {asked.value.json()['first'][:10]}" in text
    rows = page.locator("#why .result > .scroll tbody tr")
    assert rows.count() > 0
    assert "2013-12-" in rows.first.inner_text()


def test_a_finger_reads_values_and_asks_for_nothing(browser: Browser, url: str) -> None:
    with watched(browser, **LOOKS["phone"]) as tab:
        walking = walk(tab, url)
        assert [next(walking) for _ in range(3)][-1] == "forecast"
        box = tab.page.locator("#fan canvas").bounding_box()
        assert box is not None
        tab.page.touchscreen.tap(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
        tab.page.locator("#fan .readout:has-text('80 %:')").wait_for()
        assert tab.page.locator("#fan canvas").bounding_box() == box
        assert not any(one.endswith("/v1/explain") for one in tab.urls)


def test_attention_lies_over_the_history_by_date_and_adds_up(tab: Watched, url: str) -> None:
    walking = walk(tab, url)
    assert [next(walking) for _ in range(4)][-1] == "backtest"
    with tab.page.expect_response("**/v1/explain") as asked:
        next(walking)
    tokens = asked.value.json()["tokens"]
    past = sum(
        share for share, is_ahead in zip(tokens["attention_roll_out"], tokens["is_future"], strict=True) if not is_ahead
    )
    chart = "Chart.getChart(document.querySelector('#why canvas')).data"
    assert tab.page.evaluate(f"{chart}.datasets[1].data.reduce((sum, one) => sum + one, 0)") == pytest.approx(past)
    assert tab.page.evaluate(f"{chart}.labels.at(-1)") == "2013-12-30T23:00:00Z"
    for kind, wanted in (("occlusion", "Hiding the"), ("gradients", "flat history")):
        tab.page.check(f"#why input[value={kind}]")
        assert wanted in tab.page.inner_text("#why .result")


def test_the_backtest_stands_beside_the_seasonal_naive(tab: Watched, url: str) -> None:
    walking = walk(tab, url)
    assert [next(walking) for _ in range(3)][-1] == "forecast"
    tab.page.fill("#windows", "3")
    with tab.page.expect_response("**/v1/backtest") as asked:
        next(walking)
    said = asked.value.json()["series"][0]
    assert len(said["windows"]) == 3
    text = tab.shown("#backtest .result")
    ratio = said["metrics"]["model"]["mase"] / said["metrics"]["seasonal_naive"]["mase"]
    assert ("closer" if ratio < 0.99 else "further off" if ratio > 1.01 else "As far off") in text
    assert "Seasonal naive" in text
    assert "Inside the 80 % interval" in text


def test_live_skill_is_told_once_something_has_happened(tab: Watched, url: str) -> None:
    series = {"id": "told", "start": "2024-01-01T00:00:00Z", "target": [float(n % 24) for n in range(96)]}
    body = {"model": "waves", "horizon": 4, "segment": "page", "series": [series]}
    assert "id" in httpx.post(f"{url}/v1/forecast", json=body, timeout=60).json()
    actual = {"id": "told", "start": "2024-01-05T00:00:00Z", "target": [0.0, 1.0, 2.0, 3.0]}
    assert httpx.post(f"{url}/v1/actuals", json={"model": "waves", "series": [actual]}, timeout=60).status_code == 200
    deadline, pause = time.monotonic() + 120, threading.Event()
    while not httpx.get(f"{url}/v1/skill", timeout=60).json()["skill"] and time.monotonic() < deadline:
        pause.wait(0.2)
    tab.page.goto(url)
    tab.page.click("#skill-button")
    row = tab.shown("#skill tbody tr")
    assert row.split()[:3] == ["waves", "1", "page"]


def test_all_of_it_can_be_done_without_a_mouse(tab: Watched, url: str) -> None:
    page = tab.page
    page.goto(url)
    page.locator(EXAMPLE).wait_for()
    _tab_to(tab, EXAMPLE)
    page.keyboard.press("Enter")
    tab.shown("#report")
    _tab_to(tab, "#horizon")
    page.keyboard.press("ArrowDown")
    _tab_to(tab, "#intervals input[value='50']")
    page.keyboard.press("Space")
    _tab_to(tab, "#forecast-button")
    with page.expect_response("**/v1/forecast") as asked:
        page.keyboard.press("Enter")
    sent = asked.value.request.post_data_json
    assert (sent["horizon"], sent["intervals"]) == (11, [80])
    tab.shown("#fan canvas")
    _tab_to(tab, "#fan canvas")
    for key, wanted in (
        ("ArrowRight", "2013-12-30 23:00"),
        ("ArrowRight", "2013-12-31 00:00 · median"),
        ("End", "2013-12-31 10:00"),
    ):
        page.keyboard.press(key)
        assert wanted in page.inner_text("#fan .readout")
    assert page.get_attribute("#fan .readout", "aria-live") == "polite"
    with page.expect_response("**/v1/explain") as explained:
        page.keyboard.press("Enter")
    assert explained.value.request.post_data_json["step"] == 11
    tab.shown("#why canvas")
    _tab_to(tab, "#backtest-form button")
    page.keyboard.press("Enter")
    tab.shown("#backtest .verdict")
    _tab_to(tab, "#why input[value=attention]")
    page.keyboard.press("ArrowRight")
    assert "Hiding the" in page.inner_text("#why .result")
    _tab_to(tab, "#skill-button")
    page.keyboard.press("Enter")
    tab.shown("#skill .result")


def _tab_to(tab: Watched, selector: str) -> None:
    for _ in range(80):
        if tab.page.evaluate(
            "selector => document.activeElement.matches(selector.replace(/:has-text.*/, ''))", selector
        ):
            return
        tab.page.keyboard.press("Tab")
    raise AssertionError(f"the tabulator does not reach {selector}")


def test_a_forecast_can_be_taken_home(tab: Watched, url: str) -> None:
    walking = walk(tab, url)
    assert [next(walking) for _ in range(3)][-1] == "forecast"
    with tab.page.expect_download() as begun:
        tab.page.click("#download")
    lines = begun.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "unique_id,ds,0.5,lower_50,upper_50,lower_80,upper_80"
    assert len(lines) == 1 + 3 * 12
    assert lines[1].startswith("EWR_temperature,2013-12-31T00:00:00Z,")
