"""What the page says where there is no key, the wrong one, no model, no service, or too much asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.app import create_app
from service.settings import Settings
from tests.browser.browser import Watched
from tests.conftest import Registry, running_service
from tests.service.factories import on_a_socket

pytestmark = pytest.mark.slow

EXAMPLE = "#examples button"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locked")


@pytest.fixture(scope="module")
def tokens(home: Path) -> dict[str, str]:
    """Keys by what they are good for; made before the service starts, which follows within seconds only."""
    store = KeyStore(KeyFiles.of(Settings(home=home)))
    terms = {
        "all": KeyTerms((Scope.FORECAST, Scope.EXPLAIN)),
        "forecasts": KeyTerms((Scope.FORECAST,)),
        "metrics": KeyTerms((Scope.METRICS,)),
        "little": KeyTerms((Scope.FORECAST,), rate=Rate(burst=50_000, per_minute=1000)),
    }
    return {name: store.create(one).token for name, one in terms.items()}


@pytest.fixture(scope="module")
def locked(browser: Browser, registry: Registry, home: Path, tokens: dict[str, str]) -> Iterator[str]:
    settings = Settings(home=home, registry_uri=registry.uri, ledger_share=0.0, port=0)
    with running_service(settings, {"waves", "days"}) as client:
        yield str(client.base_url)


def enter(tab: Watched, token: str) -> None:
    tab.page.fill("#key-text", token)
    tab.page.keyboard.press("Enter")


def forecast(tab: Watched) -> None:
    tab.page.locator(EXAMPLE).first.wait_for()
    tab.page.click(EXAMPLE)
    tab.shown("#ask")
    tab.page.click("#forecast-button")


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(tab: Watched, locked: str, tokens: dict[str, str]) -> None:
    token = tokens["all"]
    page = tab.page
    page.goto(locked)
    assert "asks for a key" in tab.shown("#key")
    assert tab.refusals == []  # nothing was tried without one
    enter(tab, token)
    forecast(tab)
    tab.shown("#fan canvas")
    assert not any(token in url for url in tab.urls)
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.reload()
    page.locator(EXAMPLE).first.wait_for()
    page.click("#forget-key")
    tab.shown("#key")
    assert page.evaluate("sessionStorage.length") == 0
    assert tab.refusals == []


def test_a_key_that_is_none_is_told_from_one_that_may_not(tab: Watched, locked: str, tokens: dict[str, str]) -> None:
    tab.page.goto(locked)
    enter(tab, "fk_nonsense")
    assert "does not know this key" in tab.shown("#key .problem")
    enter(tab, tokens["metrics"])
    tab.page.locator("#key .problem:has-text('scope')").wait_for()
    assert "This key lacks the scope forecast" in tab.page.inner_text("#key .problem")


def test_a_scope_that_is_missing_is_named_where_it_is_missed(tab: Watched, locked: str, tokens: dict[str, str]) -> None:
    tab.page.goto(locked)
    enter(tab, tokens["forecasts"])
    forecast(tab)
    tab.shown("#fan canvas")
    tab.page.click("#why-form button")
    assert "This key lacks the scope explain" in tab.shown("#why .problem")


def test_who_has_spent_all_is_told_when_to_come_again(tab: Watched, locked: str, tokens: dict[str, str]) -> None:
    tab.page.goto(locked)
    enter(tab, tokens["little"])
    forecast(tab)
    assert "Try again in" in tab.shown("#ask .problem")


def test_without_a_model_the_page_says_so_and_looks_again(browser: Browser, tab: Watched, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", authentication=False, zero_shot=False, port=0)
    with on_a_socket(create_app(settings), settings) as client:
        tab.page.goto(str(client.base_url))
        tab.page.locator("#service:has-text('No model is in service yet')").wait_for()
        with tab.page.expect_response("**/v1/models"):
            pass
        assert tab.page.locator("#data").is_hidden()


def test_a_service_that_is_gone_is_named_as_such_and_found_again(tab: Watched, url: str) -> None:
    page = tab.page
    gone = [True]

    def answer(route: Route) -> None:
        route.abort("connectionrefused") if gone else route.continue_()

    page.route("**/v1/**", answer)
    page.goto(url)
    page.locator("#service:has-text('does not answer')").wait_for()
    gone.clear()
    page.locator(EXAMPLE).first.wait_for()
    gone.append(True)
    page.click(EXAMPLE)
    assert "does not answer" in tab.shown("#data .problem")
    gone.clear()
    forecast(tab)
    tab.shown("#fan canvas")


def test_what_is_impossible_is_refused_in_the_words_of_the_service(tab: Watched, url: str) -> None:
    tab.page.goto(url)
    tab.page.locator(EXAMPLE).first.wait_for()
    rows = "".join(f"2024-01-01T{hour:02}:00,{hour}\n" for hour in range(24))
    tab.take("short.csv", "ds,y\n" + rows)
    tab.shown("#ask")
    tab.page.click("#forecast-button")
    tab.shown("#fan canvas")
    tab.page.fill("#windows", "900")
    tab.page.click("#backtest-form button")
    assert tab.shown("#backtest .problem")
