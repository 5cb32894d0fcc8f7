"""Stores of MLflow that tests may change: a copy in SQLite, and a database in Postgres with copies of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from mlflow import MlflowClient

from pipelines.config import Environment
from tests.conftest import train_registered

_ORIGIN = "mlflow_origin"
_numbers = count(1)


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


@dataclass(frozen=True)
class PostgresRegistry:
    """What `tests.conftest.Registry` is, with the store in a Postgres server."""

    home: Path
    server: str  # URL of a database of that server, for SQLAlchemy

    @classmethod
    def filled(cls, home: Path, server: str) -> PostgresRegistry:
        """Trains the registered models in a new database; their files lie in `home`."""
        found = cls(home, server)
        found._create(_ORIGIN)
        train_registered(home, found._url(_ORIGIN))
        return found

    def copied(self) -> str:
        """Gives the URI of a new store that is like the first one."""
        name = f"mlflow_{next(_numbers)}"
        self.close()
        self._run(f"CREATE DATABASE {name} TEMPLATE {_ORIGIN}")
        return self._url(name)

    def close(self) -> None:
        """Ends what connections MLflow keeps to its stores, with which no database is copied and no server ends."""
        self._run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'mlflow%%'")

    def _create(self, name: str) -> None:
        self._run(f"CREATE DATABASE {name}")

    def _run(self, *statements: str) -> None:
        engine = sa.create_engine(self.server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def _url(self, name: str) -> str:
        return sa.make_url(self.server).set(database=name).render_as_string(hide_password=False)
