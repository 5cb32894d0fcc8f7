"""Homes with a table and with databases that are made, which takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.reliability.retrain_kills import make_home
from tests.conftest import Registry


@pytest.fixture(scope="session")
def empty_home(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose stores know nothing of the model that tests retrain here."""
    folder = tmp_path_factory.mktemp("retrain") / "home"
    make_home(folder, registry.home / "mlflow.db")
    return folder


@pytest.fixture
def home(empty_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(empty_home, tmp_path / "home"))
