"""A copy of the registry, with a run of its own to log to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipelines import tracking
from pipelines.config import Environment
from tests.conftest import Registry


@dataclass(frozen=True)
class Store:
    """An MLflow store on SQLite with the model 'waves', and the experiment 'ramps' that is empty."""

    environment: Environment
    client: MlflowClient
    experiment: str

    def run(self, name: str = "a run") -> str:
        """Makes a run; gives its id."""
        return str(self.client.create_run(self.experiment, run_name=name).info.run_id)

    def children(self, run_id: str) -> dict[str, str]:
        """Gives the ids of the runs below a run, by role."""
        wanted = f"tags.mlflow.parentRunId = '{run_id}'"
        experiment = self.client.get_run(run_id).info.experiment_id
        found = self.client.search_runs([experiment], wanted)
        return {run.data.tags["role"]: run.info.run_id for run in found}


@pytest.fixture(scope="module")
def store(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("analysts")
    shutil.copytree(registry.home, home, ignore=shutil.ignore_patterns("work", "cache"), dirs_exist_ok=True)
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    client = tracking.connect(environment)
    return Store(environment, client, client.create_experiment("ramps", (home / "ramps").as_uri()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
