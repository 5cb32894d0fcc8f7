"""Settings: what cannot be used ends the start, with an error that names it, and what nobody reads is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from service.settings import read_settings, unknown_variables
from tests.browser.browser import NEEDED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("url", ["nonsense", "mysql://reader:s3cret@host/ledger", "postgresql+nobodys://host/ledger"])
def test_an_address_that_no_ledger_can_have_ends_the_start_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("FORECASTER_LEDGER_URL", url)
    with pytest.raises(ConfigError, match=r"ledger_url: .* wanted is one such as postgresql\+psycopg2://") as caught:
        read_settings({})
    assert url not in str(caught.value)


@pytest.mark.parametrize("name", ["what?", "50%41"])
def test_a_home_that_no_url_can_name_ends_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"home: .* may be in it"):
        read_settings({"home": tmp_path / name})


def test_what_nobody_reads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORECASTER_MAX_SERIE", "forecaster_Ports", "FORECASTER_", "FORECASTERS", "MAX_SERIES"):
        monkeypatch.setenv(name, "3")
    assert unknown_variables() == ["FORECASTER_", "FORECASTER_MAX_SERIE", "forecaster_Ports"]


def test_whatever_any_part_reads_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    named = re.findall("FORECASTER_[A-Z_]*[A-Z]", (ROOT / "pipelines" / "config" / "environment.py").read_text())
    operations = re.findall(r"^\| `(FORECASTER_[A-Z_]+)` ", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert len(set(named)) >= 5
    assert len(operations) > 50
    for name in (NEEDED, *named, *operations, "forecaster_max_series"):
        monkeypatch.setenv(name, "3")
    assert unknown_variables() == []
