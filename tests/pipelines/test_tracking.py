"""What MLflow's own database raises, where it is used without a server, is a RegistryError of one line; runs end."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from pipelines import tracking
from pipelines.config import Environment
from pipelines.errors import RegistryError
from tests.pipelines.stores import Store


def environment_of(home: Path) -> Environment:
    return Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")


def test_a_database_file_that_is_none_is_named_as_the_cause(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("spoiled, and longer than the header of a database is")
    with pytest.raises(RegistryError, match=r"^the database of MLflow cannot be used: .*file is not a database$"):
        tracking.connect(environment_of(tmp_path))


def test_a_database_that_is_the_ledgers_is_refused(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    ledger = Ledger(environment.tracking_uri)
    upgrade(ledger)
    ledger.close()
    with pytest.raises(RegistryError, match=r"^the database of MLflow cannot be used: Can't locate revision"):
        tracking.connect(environment)


ENDS = [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")]


@pytest.mark.parametrize(("error", "status"), ENDS)
def test_a_run_that_ends_early_says_how(store: Store, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), tracking.run(store.environment, "ends", "early", {}) as run_id:
        raise error("so it is")
    run = store.client.get_run(run_id)
    assert (run.info.status, run.data.tags["error"]) == (status, f"{error.__name__}: so it is")


def test_the_end_of_a_run_that_cannot_be_written_does_not_hide_what_ended_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise MlflowException("database is locked")

    monkeypatch.setattr(MlflowClient, "set_terminated", locked)
    with pytest.raises(KeyboardInterrupt), tracking.run(store.environment, "ends", "unheard", {}) as run_id:
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), tracking.child_run(run_id, "below", {}):
        raise KeyboardInterrupt
    assert mlflow.active_run() is None
    with pytest.raises(RegistryError, match="database is locked"), tracking.run(store.environment, "ends", "well", {}):
        pass
