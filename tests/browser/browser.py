"""A headless Chromium that is on the machine, and what a page did in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

# Set it where a test that finds no browser must fail: in CI.
NEEDED = "FORECASTER_TESTS_NEED_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
_NETWORK_SAYS = "Failed to load resource"  # the browser's own line for every answer of 400 or more
WAIT_MILLISECONDS = 60_000


def chromium() -> str:
    """Gives the browser's program; skips the test, or fails it where one is needed, if there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    message = f"no Chromium on this machine: none of {', '.join(_NAMES)} is on PATH"
    if os.environ.get(NEEDED):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def launched() -> Iterator[Browser]:
    """Starts the browser for the block."""
    program = chromium()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, what it wrote to the console, and whom it asked for what."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # the network's lines in the console
    urls: list[str] = field(default_factory=list)

    def origins(self) -> set[str]:
        """Whom it asked."""
        parts = [urlsplit(url) for url in self.urls]
        return {f"{one.scheme}://{one.netloc}" for one in parts if one.scheme not in ("blob", "data")}

    def shown(self, selector: str) -> str:
        """Gives a text of the page once it is there to be seen."""
        found = self.page.locator(selector)
        found.wait_for(state="visible")
        return found.inner_text()

    def take(self, name: str, text: str) -> None:
        """Chooses a file of that text."""
        self.page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": text.encode()})


@contextmanager
def watched(browser: Browser, **context: Any) -> Iterator[Watched]:
    """Opens an empty page in a fresh profile."""
    with browser.new_context(**context) as made:
        made.set_default_timeout(WAIT_MILLISECONDS)
        found = Watched(made.new_page())
        page = found.page
        page.on("console", lambda said: found.refusals.append(said.text) if _is_network(said) else _note(found, said))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        made.on("request", lambda request: found.urls.append(request.url))
        yield found


def _is_network(said: Any) -> bool:
    return said.type == "error" and said.text.startswith(_NETWORK_SAYS)


def _note(found: Watched, said: Any) -> None:
    if said.type in ("error", "warning"):
        found.complaints.append(said.text)
