"""Homes with a table and with empty databases, which take seconds to make."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.reliability.retrain_kills import make_home


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retrain") / "home"
    make_home(folder)
    return folder


@pytest.fixture
def home(empty_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(empty_home, tmp_path / "home"))
