"""Stores of MLflow in SQLite: one of trained models, one whose versions are names only, and the door of the latter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from mlflow import MlflowClient

from forecaster.bundle import DIGEST_TAG
from forecaster.ledger.promotions import Move
from pipelines import registry, tracking
from pipelines.config import Environment
from pipelines.promotion.champions import Champions, history
from pipelines.registry import Version
from tests.conftest import Registry
from tests.pipelines.stores import PostgresRegistry, Store
from tests.stack.servers import postgres

_numbers = count(1)


@dataclass(frozen=True)
class Models:
    """A home with a store."""

    environment: Environment
    client: MlflowClient

    def make(self, num_versions: int) -> Model:
        """Gives a new registered model with so many versions."""
        name = f"model-{next(_numbers)}"
        self.client.create_registered_model(name)
        model = Model(self, name)
        for _ in range(num_versions):
            model.add_version()
        return model


@dataclass(frozen=True)
class Model:
    """A registered model."""

    home: Models
    name: str

    def add_version(self) -> None:
        version = self.home.client.create_model_version(self.name, source=f"file:///nowhere/{self.name}")
        digest = f"sha256:{self.name} {version.version}"
        self.home.client.set_model_version_tag(self.name, version.version, DIGEST_TAG, digest)

    def version(self, number: int) -> Version:
        return Version(self.name, number)

    def aliases(self) -> dict[str, int]:
        found = registry.aliases(self.home.client, self.name)
        return {alias: version.number for alias, version in found.items()}

    def by_hand(self, alias: str, number: int | None) -> None:
        """Moves an alias as a person does."""
        registry.point(self.home.client, self.name, alias, number)

    def history(self) -> list[Move]:
        return history(self.home.environment, self.name)

    def told(self) -> list[tuple[str, int | None, int | None]]:
        """Gives kind, champion and champion before of each move."""
        return [(move.kind.value, move.version, move.before) for move in self.history()]


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_registry(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[PostgresRegistry]:
    found = PostgresRegistry.filled(tmp_path_factory.mktemp("postgres-home"), postgres_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def store(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("analysts")
    shutil.copytree(registry.home, home, ignore=shutil.ignore_patterns("work", "cache"), dirs_exist_ok=True)
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    client = tracking.connect(environment)
    return Store(environment, client, client.create_experiment("ramps", (home / "ramps").as_uri()))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    home = tmp_path_factory.mktemp("models")
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    return Models(environment, tracking.connect(environment))


@pytest.fixture
def model(models: Models) -> Model:
    """A model with three versions, no champion yet."""
    return models.make(3)


@pytest.fixture
def door(models: Models) -> Iterator[Champions]:
    from pipelines.promotion.champions import champions

    with champions(models.environment, models.client) as found:
        yield found
