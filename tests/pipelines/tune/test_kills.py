"""A process that tunes is killed: what was finished stays, and the study ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.config import Environment
from tests.factories import sine_panel
from tests.pipelines.tune.factories import SPACE, config_with, runs_of
from tests.stack import servers

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(900)]

COMMAND = [sys.executable, "-c", "from pipelines.commands.tuning import tune; tune()"]
NUM_TRIALS, NUM_BEFORE = 5, 2
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Place:
    """A home with a table and a config whose trials take about a second, and the store it writes to."""

    home: Path
    uri: str

    def start(self) -> subprocess.Popen[bytes]:
        variables = {"FORECASTER_HOME": str(self.home), "MLFLOW_TRACKING_URI": self.uri, "OMP_NUM_THREADS": "1"}
        command = [*COMMAND, "--config", str(self.home / "tune.yaml"), "--json"]
        with (self.home / "log").open("ab") as log:
            environment = servers.clean_environment(**variables)
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def run_to_its_end(self) -> None:
        assert self.start().wait(_PATIENCE_SECONDS) == 0, self.log()

    def log(self) -> str:
        return (self.home / "log").read_text()[-3000:]

    def runs(self, stage: str = "") -> list[Any]:
        return runs_of(Environment(home=self.home, tracking_uri=self.uri), stage=stage)

    def trials(self, *statuses: str) -> dict[str, tuple[str, str]]:
        """Gives id and values of the run of each trial that has one of these statuses."""
        runs = [run for run in self.runs("tune-trial") if run.info.status in statuses]
        return {run.data.tags["tune_trial"]: (run.info.run_id, run.data.tags["tune_values"]) for run in runs}

    def finished(self) -> dict[str, tuple[str, str]]:
        return self.trials("FINISHED", "FAILED")

    def scores(self) -> dict[str, float]:
        """Gives what the study came to."""
        (parent,) = self.runs("tune")
        told = parent.data.metrics
        return {name: told[name] for name in told if name.startswith(("default_", "best_", "num_"))}


def place_in(home: Path, uri: str = "") -> Place:
    home.mkdir(exist_ok=True)
    sine_panel(3, 160, noise=0.5).to_frame().to_csv(home / "waves.csv", index=False)
    config = config_with(SPACE, num_trials=NUM_TRIALS, num_seeds=1)
    tree = config.model_dump(mode="json", exclude_unset=True) | {"source": {"path": str(home / "waves.csv")}}
    (home / "tune.yaml").write_text(yaml.safe_dump(tree))
    return Place(home, uri or f"sqlite:///{home / 'mlflow.db'}")


@contextmanager
def behind_a_server(home: Path) -> Iterator[Place]:
    """Gives a place whose store is an MLflow server on SQLite, with its artifacts."""
    home.mkdir()
    port = servers.free_port()
    command = [str(servers.BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(home / "artifacts")]
    environment = servers.clean_environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    url = f"http://127.0.0.1:{port}"
    with servers.running("mlflow", command, environment, home, servers.answering(port, "/health")):
        yield place_in(home, url)


def kill_in_the_middle(place: Place) -> None:
    """Kills the process while it is at a trial, once some are finished."""
    process, deadline = place.start(), time.monotonic() + _PATIENCE_SECONDS
    while len(place.finished()) < NUM_BEFORE or not place.trials("RUNNING"):
        assert process.poll() is None, place.log()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_study_that_is_run_again_loses_no_finished_trial_and_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = place_in(tmp_path / "unbroken")
    with behind_a_server(tmp_path / "killed") as place:
        kill_in_the_middle(place)
        before = place.finished()
        assert NUM_BEFORE <= len(before) <= NUM_TRIALS
        place.run_to_its_end()
        unbroken.run_to_its_end()
        after, expected = place.finished(), unbroken.finished()
        assert before.items() <= after.items()
        assert {number: values for number, (_, values) in after.items()} == {n: v for n, (_, v) in expected.items()}
        statuses = [run.info.status for run in place.runs()]
        assert "RUNNING" not in statuses
        assert statuses.count("KILLED") == 1
        assert place.scores() == unbroken.scores()
        assert not list((place.home / "checkpoints").iterdir()), "the killed trial's checkpoints are gone"
