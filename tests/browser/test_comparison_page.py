"""The page that `compare` writes, in a browser: it asks nobody for anything, fits, and can be read light and dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser

from pipelines.report.page import write_page
from pipelines.report.runs import EvaluatedRun
from pipelines.report.verdicts import RunComparison
from tests.browser.browser import watched

pytestmark = pytest.mark.slow


def run_of(number: int) -> EvaluatedRun:
    draw = np.random.default_rng(number)
    keys = [(f"series_{series}", fold) for series in range(40) for fold in range(5)]
    windows = pd.DataFrame(keys, columns=["series", "fold"])
    windows["forecast_from"] = "2024-01-0" + (windows["fold"] + 1).astype(str)
    windows["stretch"] = windows["fold"]
    windows["mase"] = (1 - 0.1 * number) * draw.uniform(0.5, 1.5, len(windows))
    mase = float(windows["mase"].mean())
    metrics = {"mase": mase, "coverage_80": 0.7 + 0.05 * number, "mase_by_step": 1.0, "coverage_80_by_step": 0.8}
    tags = {"data": "sales", "horizon": "0012", "data_fingerprint": "sha256:" + "ab" * 32, "family": "encoder+ridge"}
    curve = mase + 0.02 * np.arange(12)
    curves = {"mase_by_step": curve, "coverage_80_by_step": np.full(12, 0.7)}
    return EvaluatedRun(f"{number}" * 32, "sales h0012 encoder+ridge train", tags, metrics, curves, windows, None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_can_be_read_without_a_network(scheme: str, width: int, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(RunComparison((run_of(1), run_of(2), run_of(3))), path)
    with watched(browser, color_scheme=scheme, viewport={"width": width, "height": 900}) as tab:
        tab.page.goto(path.as_uri())
        assert "runs compared: sales, 12 steps ahead" in tab.shown("h1")
        assert "MASE of B is" in tab.shown("ul")
        colour, paper = (
            tab.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
        )
        assert (sum(_rgb(colour)) > sum(_rgb(paper))) == (scheme == "dark")
        loaded = tab.page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 500)")
        assert loaded
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width  # wide tables scroll in themselves
        assert [url for url in tab.urls if not url.startswith(("file:", "data:"))] == []
        assert tab.complaints == []


def _rgb(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
