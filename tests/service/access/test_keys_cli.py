"""The commands `forecaster keys`: what they print, for people and machines, and what they never print."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import exit_code
from forecaster.errors import ConfigError
from service.access.cli import keys
from service.access.key_ring import KeyRing
from service.access.keys import KeyFiles, KeyRecord, Scope
from service.access.rate import Rate
from service.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORECASTER_HOME", str(tmp_path))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(keys, words)


def answer(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def check(token: str, home: Path) -> object:
    return KeyRing(KeyFiles.of(Settings(home=home))).check(token)


def test_a_created_key_is_good_with_what_was_asked(home: Path) -> None:
    words = ("--scope", "forecast", "--scope", "metrics", "--expires-days", "30", "--note", "shop")
    made = answer("create", *words, "--rate-per-minute", "100", "--rate-burst", "200")
    found = check(made["key"], home)
    assert isinstance(found, KeyRecord)
    assert found.scopes == (Scope.FORECAST, Scope.METRICS)
    assert found.expires is not None
    assert (found.expires - found.created).days == 30
    assert (found.note, found.rate) == ("shop", Rate(per_minute=100, burst=200))
    assert (made["id"], made["state"], made["scopes"]) == (found.id, "live", ["forecast", "metrics"])


def test_a_created_key_stands_alone_on_the_first_line(home: Path) -> None:
    lines = run("create", "--scope", "forecast").stdout.splitlines()
    assert isinstance(check(lines[0], home), KeyRecord)
    assert lines[1] == "Keep it now: it is not shown again."


def test_the_list_shows_every_key_and_nothing_that_proves_one(home: Path) -> None:
    made = answer("create", "--scope", "admin", "--note", "ops")
    answer("revoke", made["id"])
    digest = json.loads((home / "keys.json").read_text())["keys"][0]["digest"]
    for printed in (run("list").stdout, run("list", "--json").stdout):
        assert made["id"] in printed
        assert "revoked" in printed
        assert "ops" in printed
        assert made["key"][16:] not in printed
        assert digest not in printed
    assert [one["id"] for one in answer("list")["keys"]] == [made["id"]]


def test_without_keys_the_list_says_so() -> None:
    assert run("list").stdout == "no keys\n"
    assert answer("list") == {"keys": []}


def test_a_rotated_key_has_a_successor_and_ends_after_the_overlap(home: Path) -> None:
    old = answer("create", "--scope", "forecast")
    new = answer("rotate", old["id"], "--overlap-hours", "2")
    assert isinstance(check(new["key"], home), KeyRecord)
    spent = check(old["key"], home)
    assert isinstance(spent, KeyRecord)
    assert spent.successor == new["id"]
    assert spent.expires is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create",), "Missing option '--scope'"),
        (("create", "--scope", "all"), "'all' is not one of 'forecast', 'feedback', 'explain', 'finetune'"),
        (("create", "--scope", "admin", "--expires-days", "0"), "0 is not in the range"),
        (("create", "--scope", "admin", "--expires-days", "nan"), "nan is no finite number"),
        (("create", "--scope", "admin", "--rate-per-minute", "inf"), "inf is no finite number"),
        (("create", "--scope", "admin", "--rate-per-minute", "5", "--rate-burst", "nan"), "nan is no finite number"),
        (("rotate", "k1", "--overlap-hours", "nan"), "nan is no finite number"),
        (("create", "--scope", "admin", "--rate-burst", "5"), "needs --rate-per-minute"),
        (("create", "--scope", "admin", "--note", "a\nb"), "at most 200 printable characters"),
    ],
)
def test_wrong_usage_is_named_and_makes_no_key(home: Path, words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_an_unknown_key_is_wrong_usage(command: str) -> None:
    error = run(command, "000000000000").exception
    assert isinstance(error, ConfigError)
    assert (error.code, exit_code(error)) == ("unknown-key", 2)


def test_flags_go_before_variables(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    made = json.loads(run("--home", str(other), "create", "--scope", "admin", "--json").stdout)
    assert list(home.iterdir()) == []
    assert isinstance(check(made["key"], other), KeyRecord)
    run("--keys-file", str(other / "more.json"), "create", "--scope", "admin")
    assert (other / "more.json").is_file()


def test_the_commands_are_listed_and_need_neither_web_framework_nor_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["forecaster.commands"]["keys"] == "service.access.cli:keys"
    code = "import sys, service.access.cli; print({'fastapi', 'starlette', 'torch', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "set()\n", done.stderr
