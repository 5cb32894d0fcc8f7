"""`forecaster doctor`: what it says of a ledger and a home, and that looking leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from pipelines.config import Environment
from pipelines.doctor import Check, examine


def ledger_check(home: Path, url: str | None = None) -> Check:
    """Examines an installation with an empty home, and gives what is said of its ledger."""
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    if url is not None:
        environment = environment.model_copy(update={"ledger_url": url})
    return next(check for check in examine(environment) if check.name == "ledger")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def made(url: str, revision: str = "head") -> None:
    ledger = Ledger(url)
    upgrade(ledger, revision)
    ledger.close()


def test_a_ledger_that_nobody_has_used_is_well_and_is_not_made(tmp_path: Path) -> None:
    check = ledger_check(tmp_path)
    assert check.ok
    assert check.found == "no tables yet: whoever uses it first makes them"
    assert not (tmp_path / "ledger").exists()


def test_a_ledger_says_of_which_revision_it_is(tmp_path: Path, url: str) -> None:
    made(url)
    assert ledger_check(tmp_path, url) == Check("ledger", True, "tables of revision 0007")


def test_an_older_one_is_left_as_it_is_and_is_well(tmp_path: Path, url: str) -> None:
    made(url, "0005")
    expected = Check("ledger", True, "tables of revision 0005; whoever uses it next brings them to 0007")
    assert ledger_check(tmp_path, url) == ledger_check(tmp_path, url) == expected


def test_one_of_newer_code_is_a_fault(tmp_path: Path, url: str) -> None:
    made(url)
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    check = ledger_check(tmp_path, url)
    assert not check.ok
    assert check.found == "tables of revision 0099, but this code knows 0007 at most"


@pytest.mark.parametrize("url", ["postgresql+psycopg://nobody@127.0.0.1:1/ledger", "nothing://x", "no url at all"])
def test_one_that_cannot_be_reached_is_a_fault_with_its_reason(tmp_path: Path, url: str) -> None:
    check = ledger_check(tmp_path, url)
    assert not check.ok
    assert check.found.startswith("the ledger's database cannot be used: ")


def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path, url: str) -> None:
    (tmp_path / "ledger.db").write_text("not a database, and long enough to be looked at as one" * 20)
    check = ledger_check(tmp_path, url)
    assert not check.ok
    assert "file is not a database" in check.found


def test_a_home_in_which_nothing_can_be_written_is_not_well(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    refused, free = tmp_path / "file" / "home", tmp_path / "folder" / "home"
    found = {
        home: next(check for check in examine(Environment(home=home)) if check.name == "home")
        for home in (refused, free)
    }
    assert not found[refused].ok
    assert found[refused].found.endswith("cannot be a folder to write to: Not a directory")
    assert found[free] == Check("home", True, str(free))
