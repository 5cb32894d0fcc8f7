"""What many tests share: one small registry with trained models, and a running service on it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pandas as pd
import psutil  # type: ignore[import-untyped]
import pytest
import torch

from forecaster.config import ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.reading import read_panel
from tests.factories import sine_panel

if TYPE_CHECKING:
    from service.settings import Settings

torch.set_num_threads(1)  # tests are small, and cores are shared

_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 << 30  # noqa: S108 - the folder in it has a name of its own
_FOLDER, _HAS_FAILED = pytest.StashKey[str](), pytest.StashKey[bool]()
_ENVIRONMENT = pytest.StashKey[pytest.MonkeyPatch]()


def pytest_configure(config: pytest.Config) -> None:
    """Gives a run a folder of its own for what it writes, in memory where there is room.

    Each run closes the common one of pytest to other users, which Postgres runs as where tests run as root: one run
    would take the database of another.
    """
    if not hasattr(config, "workerinput") and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        folder = tempfile.mkdtemp(prefix="tests-", dir=_in_memory())  # a short name: those of sockets have an end
        config.stash[_FOLDER] = folder
        config.stash[_ENVIRONMENT] = environment = pytest.MonkeyPatch()
        environment.setenv("PYTEST_DEBUG_TEMPROOT", folder)
        environment.setenv("TMPDIR", folder)
        environment.setattr(tempfile, "tempdir", folder)


def _in_memory() -> Path | None:
    """Gives a folder whose files are kept in memory: the databases of tests need not wait for a disk."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
    return _MEMORY if has_room and psutil.virtual_memory().available >= 2 * _ROOM_BYTES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that a process of tests which is through with its own has some to take."""
    slow = {item.path for item in items if any(item.get_closest_marker(name) for name in ("slow", "stack", "long"))}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Has the collector look no more at what was imported and collected: it took a fifteenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Notes whether somebody may want to look at what was written."""
    session.config.stash[_HAS_FAILED] = exitstatus != pytest.ExitCode.OK


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes that folder, unless something has failed."""
    folder = config.stash.get(_FOLDER, None)
    if folder is None:
        return
    config.stash[_ENVIRONMENT].undo()
    if not config.stash.get(_HAS_FAILED, True):
        shutil.rmtree(folder, ignore_errors=True)


TINY = {
    "model": ModelConfig(horizon=12, context_length=48, d_model=16, num_heads=2, num_layers=1, d_ff=16),
    "training": TrainingConfig(max_steps=60, steps_per_validation=20, batch_size=64, learning_rate=5e-3),
    "split": SplitConfig(num_validation_folds=1, num_test_folds=2),
    "export": False,  # takes seconds
    "figures": False,
}


def noisy_waves(frequency: str = "h", timezone: str | None = None) -> pd.DataFrame:
    """Three noisy waves with gaps, long format: a forecast that averages the noise away beats the seasonal naive."""
    panel = sine_panel(3, 400, noise=0.8, missing_share=0.03, frequency=frequency, timezone=timezone)
    return panel.to_frame()


@pytest.fixture(autouse=True)
def no_store_of_another_test() -> None:
    """Takes away the address of MLflow's store that an earlier test has left: MLflow writes it into the environment."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


REGISTERED = {"waves": "h", "days": "D"}  # models, and the frequencies of their series


@dataclass(frozen=True)
class Registry:
    """A home folder with an MLflow store in SQLite that holds the models of `REGISTERED`."""

    home: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.home / 'mlflow.db'}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    found = Registry(tmp_path_factory.mktemp("home"))
    train_registered(found.home, found.uri)
    return found


def train_registered(home: Path, uri: str) -> None:
    """Trains and promotes the models of `REGISTERED` in an MLflow store."""
    from pipelines import tracking
    from pipelines.config import Environment, PipelineConfig
    from pipelines.loading import LoadedPanel
    from pipelines.promotion.promote import promote
    from pipelines.train import train

    environment = Environment(home=home, tracking_uri=uri)
    client = tracking.connect(environment)
    for name, frequency in REGISTERED.items():
        config = PipelineConfig(name=name, **TINY)
        reading = read_panel(noisy_waves(frequency))
        train(environment, client, config, LoadedPanel(reading.panel, (), {}))
        assert promote(environment, client, config, reading.panel).decision.promote


@pytest.fixture(scope="session")
def service(registry: Registry) -> Iterator[httpx.Client]:
    """A client of a real server on a real socket."""
    from service.settings import Settings

    settings = Settings(
        home=registry.home,
        registry_uri=registry.uri,
        authentication=False,
        ledger_share=0.0,  # replies to the same request are compared
        max_body_bytes=1 << 20,
        max_series=8,
        max_points=20_000,
        port=0,
    )
    with running_service(settings, {"waves", "days"}) as client:
        yield client


@contextmanager
def running_service(settings: Settings, models: set[str]) -> Iterator[httpx.Client]:
    """Serves in a thread until the end of the block, which begins once these models are served."""
    from service.app import create_app
    from tests.service.factories import on_a_socket

    with on_a_socket(create_app(settings), settings) as client:
        _wait_for_models(client, models)
        yield client


def _wait_for_models(client: httpx.Client, wanted: set[str]) -> None:
    pause = threading.Event()
    for _ in range(300):
        reply = client.get("/readyz")
        if reply.status_code == 200 and set(reply.json()["models"]) == wanted:
            return
        pause.wait(0.1)
    raise AssertionError(f"the service did not load {wanted}: {reply.text}")
