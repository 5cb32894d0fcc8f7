"""`retrain` and `slots` on the command line: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from benchmarks.reliability.retrain_kills import MODEL, environment_of
from forecaster.cli import exit_code
from forecaster.errors import ConfigError, ForecasterError
from pipelines.commands.retraining import retrain, slots


@pytest.fixture
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORECASTER_HOME", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", environment_of(home).tracking_uri)
    monkeypatch.setenv("FORECASTER_LEDGER_URL", environment_of(home).ledger_url)
    (home / "run.yaml").write_text(f"name: {MODEL}\nsource: {{path: {home}/none.csv}}\nretrain: {{cron: 0 3 * * *}}\n")
    return home


def run(command: click.Command, *arguments: str) -> Any:
    """Runs a command; gives its JSON, or raises what `forecaster` makes an exit code of."""
    found = CliRunner().invoke(command, [*arguments, "--json"])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return json.loads(found.output)


def test_a_slot_that_came_to_nothing_ends_with_the_code_of_its_reason_each_time(environment: Path) -> None:
    for _ in range(2):
        with pytest.raises(ForecasterError, match=r"contract-failed: data file .*none\.csv does not exist") as raised:
            run(retrain, str(environment / "run.yaml"))
        assert (raised.value.code, exit_code(raised.value)) == ("unreadable-source", 3)
    (slot,) = run(slots, "--model", MODEL)["slots"]
    assert (slot["state"], slot["cause"], slot["code"]) == ("contract-failed", "cron", "unreadable-source")
    assert slot["at"].endswith("T03:00:00Z")


def test_there_may_be_nothing_to_do(environment: Path) -> None:
    assert run(retrain, str(environment / "run.yaml"), "--only-finish") == {"under_way": False, "slots": []}
    assert run(slots, "--model", MODEL) == {"model": MODEL, "slots": []}


@pytest.mark.parametrize("number", ["0", "100001", "9" * 20])
def test_a_number_of_slots_out_of_range_is_wrong_usage(number: str, environment: Path) -> None:
    found = CliRunner().invoke(slots, ["--model", MODEL, "--limit", number])
    assert found.exit_code == 2
    assert "is not in the range 1<=x<=100000" in found.output


def test_slots_of_a_name_that_no_model_can_have_are_refused(environment: Path) -> None:
    with pytest.raises(ConfigError, match="'bad name!' is no name of a model") as raised:
        run(slots, "--model", "bad name!")
    assert exit_code(raised.value) == 2
