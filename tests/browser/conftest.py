"""A browser, and a service with really trained models for it to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from service.settings import Settings
from tests.browser.browser import Watched, launched, watched
from tests.conftest import Registry, running_service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def url(browser: Browser, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service without keys answers that keeps its forecasts. It is not started where there is no browser."""
    home = tmp_path_factory.mktemp("page")
    settings = Settings(home=home, registry_uri=registry.uri, authentication=False, port=0)
    with running_service(settings, {"waves", "days"}) as client:
        yield str(client.base_url)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    """A page that must not complain, nor ask anybody but the service."""
    with watched(browser) as found:
        yield found
        assert found.complaints == []
        assert len(found.origins()) <= 1
