"""The engine: swaps on promotion, refuses what is wrong, heals its cache, outlives the registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from forecaster.bundle import DIGEST_TAG, VERSION_PATH
from service.engine import Engine
from service.errors import NotReady, UnknownModel
from service.registry import Registry
from service.settings import Settings
from tests.conftest import Registry as Home


class Setup:
    """An engine on a copy of the registry's database; versions can be added without training."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.home = home
        self.uri = f"sqlite:///{home / 'mlflow.db'}"
        mlflow.set_tracking_uri(self.uri)  # the client that adds versions looks up their files there
        self.client = MlflowClient(self.uri, self.uri)
        self.settings = Settings(home=home, registry_uri=self.uri, **settings)  # type: ignore[arg-type]
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        return Engine(Registry(self.settings), num_threads=1)

    def served(self) -> dict[str, str]:
        return {model.reference.name: model.reference.version for model in self.engine.models}

    def add_version(self, name: str = "waves", digest: str | None = None) -> str:
        """Registers the files of version 1 of 'waves' again and makes it the champion."""
        first = self.client.get_model_version("waves", "1")
        version = self.client.create_model_version(name, first.source, first.run_id)
        tag = digest if digest is not None else first.tags[DIGEST_TAG]
        self.client.set_model_version_tag(name, version.version, DIGEST_TAG, tag)
        self.client.set_registered_model_alias(name, "champion", version.version)
        return str(version.version)


@pytest.fixture
def setup(registry: Home, tmp_path: Path) -> Setup:
    shutil.copy(registry.home / "mlflow.db", tmp_path / "mlflow.db")
    return Setup(tmp_path)


def test_it_serves_the_champion_of_every_model_and_follows_a_promotion(setup: Setup) -> None:
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}
    held = setup.engine.model("waves")
    new = setup.add_version()
    setup.engine.refresh()
    assert setup.served() == {"waves": new, "days": "1"}
    assert held.reference.version == "1"  # a request under way keeps the version it began with


def test_it_asks_its_own_registry_whatever_the_process_has_set(setup: Setup) -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("http://127.0.0.1:1")
    try:
        setup.engine.refresh()
    finally:
        mlflow.set_tracking_uri(before)
    assert setup.served() == {"waves": "1", "days": "1"}


def test_a_version_whose_digest_differs_is_refused_and_the_old_one_stays(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.engine.refresh()
    setup.add_version(digest="sha256:0000")
    for _ in range(2):
        setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}
    assert [record.message for record in caplog.records].count("version_refused") == 1


def test_a_refused_version_does_not_keep_other_models_from_loading(setup: Setup) -> None:
    setup.client.create_registered_model("aaa")
    setup.add_version("aaa", digest="sha256:0000")
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}


def test_a_spoiled_cache_is_fetched_anew(setup: Setup) -> None:
    setup.engine.refresh()
    (weights,) = setup.home.glob("cache/waves/*/weights.safetensors")
    spoiled = bytearray(weights.read_bytes())
    spoiled[-1] ^= 1
    weights.write_bytes(spoiled)
    setup.engine = setup.new_engine()
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}


def test_it_goes_on_when_the_registry_or_the_alias_is_gone(setup: Setup) -> None:
    setup.engine.refresh()
    setup.client.delete_registered_model_alias("waves", "champion")
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}
    (setup.home / "mlflow.db").write_bytes(b"no database")
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}


def test_artifacts_that_cannot_be_fetched_are_tried_again(setup: Setup, registry: Home) -> None:
    source = Path(setup.client.get_model_version_download_uri("days", "1").removeprefix("file://")) / VERSION_PATH
    hidden = source.with_name("hidden")
    source.rename(hidden)
    try:
        setup.engine.refresh()
        assert setup.served() == {"waves": "1"}
        with pytest.raises(UnknownModel, match="name one of"):
            setup.engine.model(None)
        with pytest.raises(NotReady):
            setup.engine.model("days")
    finally:
        hidden.rename(source)
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}


def test_champions_on_later_pages_of_the_registry_are_found(setup: Setup) -> None:
    for number in range(105):
        setup.client.create_registered_model(f"a{number:03d}")
    setup.engine.refresh()
    assert setup.served() == {"waves": "1", "days": "1"}


def test_only_wanted_models_are_served_and_missing_ones_are_named(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = Setup(setup.home, models=("days", "wavs"))
    chosen.engine.refresh()
    assert chosen.served() == {"days": "1"}
    assert chosen.engine.model(None).reference.name == "days"
    (missing,) = [record.fields for record in caplog.records if record.message == "model_missing"]  # type: ignore[attr-defined]
    assert missing["model"] == "wavs"


def test_no_model_yet_is_said(setup: Setup) -> None:
    with pytest.raises(NotReady):
        setup.engine.model(None)
