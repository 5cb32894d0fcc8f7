"""At the start the log names settings that nobody reads, once however many processes answer, and all serve."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.edge.workers import SETTINGS_REFUSED
from tests.service.edge.test_server import GET, connected, reply, running
from tests.service.edge.test_workers import SCRIPT


def test_a_mistyped_setting_is_named_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FORECASTER_MAX_SERIE", "3")
    with running() as server, connected(server, GET % b"quick") as connection:
        assert reply(connection).startswith(b"HTTP/1.1 200 ")
    (found,) = (record for record in caplog.records if record.message == "settings_unknown")
    assert found.fields == {"variables": ["FORECASTER_MAX_SERIE"]}  # type: ignore[attr-defined]


def test_nothing_is_said_where_all_is_known(caplog: pytest.LogCaptureFixture) -> None:
    with running():
        pass
    assert "settings_unknown" not in caplog.messages


def test_of_several_processes_one_names_it(tmp_path: Path) -> None:
    variables = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "FORECASTER_MAX_SERIE": "3"}
    command = [sys.executable, "-c", SCRIPT, "refused", str(tmp_path)]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert ended.returncode == SETTINGS_REFUSED
    assert ended.stderr.splitlines().count("settings_unknown") == 1
