"""What MLflow's own database raises, where it is used without a server, is a RegistryError of one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from pipelines import tracking
from pipelines.config import Environment
from pipelines.errors import RegistryError


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
