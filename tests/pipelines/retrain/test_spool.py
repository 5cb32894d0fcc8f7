"""The spool finds the files of its runs wherever the home is."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from pipelines import tracking
from pipelines.config import Environment
from pipelines.retrain.spool import artifacts_of


@pytest.mark.parametrize("name", ["home", "my home", "home #2", "Zuhause für Läufe"])
def test_files_of_a_run_are_found_in_any_home(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_HOME", str(tmp_path / name))
    environment = Environment.read()
    client = tracking.connect(environment)
    with tracking.run(environment, "waves", "a run", {}) as run_id:
        mlflow.log_text("here", "note.txt")
    folder = artifacts_of(client.get_run(run_id))
    assert (folder / "note.txt").read_text() == "here"
    assert folder.is_relative_to(tmp_path / name)
