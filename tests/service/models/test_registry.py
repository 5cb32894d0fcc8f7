"""The read side of MLflow: finds versions and bundles, and never waits long for a registry that does not answer."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from forecaster.bundle import DIGEST_TAG, VERSION_PATH, load_bundle
from forecaster.errors import ConfigError
from service.model_spec import ModelSpec
from service.models.models import Models
from service.models.registry import Registry, RegistryUnavailable, VersionRef
from service.settings import Settings
from tests.conftest import Registry as Home

WAVES, DAYS = (ModelSpec(name, alias="champion") for name in ("waves", "days"))
LIMIT = 5.0


class Setup:
    """A registry of the service on a copy of the trained one's database; versions can be added without training."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.uri = f"sqlite:///{home / 'mlflow.db'}"
        self.client = MlflowClient(self.uri, self.uri)
        # A long time limit: what is tested with it is a database of this machine, which others keep busy.
        self.settings = Settings(home=home, registry_uri=self.uri, registry_timeout_seconds=60)
        self.registry = Registry(self.settings)

    def add_version(self, name: str = "waves", alias: str = "champion") -> str:
        first = self.client.get_model_version("waves", "1")
        source = self.client.get_logged_model(str(first.source).removeprefix("models:/")).artifact_location
        version = self.client.create_model_version(name, source, first.run_id)
        self.client.set_model_version_tag(name, version.version, DIGEST_TAG, first.tags[DIGEST_TAG])
        self.client.set_registered_model_alias(name, alias, version.version)
        return str(version.version)


@pytest.fixture
def setup(registry: Home, tmp_path: Path) -> Setup:
    shutil.copy(registry.home / "mlflow.db", tmp_path / "mlflow.db")
    return Setup(tmp_path)


def test_without_specs_every_model_with_the_alias_is_found(setup: Setup) -> None:
    setup.client.create_registered_model("no version")
    found = setup.registry.look_up(())
    assert set(found) == {WAVES, DAYS}
    tags = setup.client.get_model_version("waves", "1").tags
    assert found[WAVES] == VersionRef("waves", "1", tags[DIGEST_TAG])


def test_aliases_and_numbers_are_found_and_what_is_absent_is_none(setup: Setup) -> None:
    setup.add_version(alias="trial")
    wanted = {
        ModelSpec("waves", alias="trial"): "2",
        ModelSpec("waves", version=1): "1",
        ModelSpec("waves", version=9): None,
        ModelSpec("waves", alias="nobody"): None,
        ModelSpec("nothing", alias="champion"): None,
    }
    found = setup.registry.look_up(tuple(wanted))
    assert {spec: reference and reference.version for spec, reference in found.items()} == wanted


def test_a_home_that_nobody_has_written_to_has_no_versions_and_stays_as_it_is(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, registry_uri=""))
    assert registry.look_up(()) == {}
    assert registry.look_up((WAVES,)) == {WAVES: None}
    assert list(tmp_path.iterdir()) == []


def test_what_is_registered_in_a_new_home_is_found_from_then_on(registry: Home, tmp_path: Path) -> None:
    followed = Registry(Settings(home=tmp_path, registry_uri="", registry_timeout_seconds=60))
    assert followed.look_up(()) == {}
    shutil.copy(registry.home / "mlflow.db", tmp_path / "mlflow.db")
    assert WAVES in followed.look_up(())


def test_an_alias_goes_with_its_version(setup: Setup) -> None:
    version = setup.add_version()
    setup.client.delete_model_version("waves", version)
    assert setup.registry.look_up((WAVES,)) == {WAVES: None}


def test_a_bundle_is_downloaded_from_its_own_registry_whatever_the_process_has_set(
    setup: Setup, tmp_path: Path
) -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("http://127.0.0.1:1")
    try:
        (reference,) = setup.registry.look_up((WAVES,)).values()
        assert reference is not None
        folder = setup.registry.download(reference, tmp_path)
    finally:
        mlflow.set_tracking_uri(before)
    assert load_bundle(folder).digest == reference.digest


def test_models_on_later_pages_are_found(setup: Setup) -> None:
    for number in range(105):
        setup.client.create_registered_model(f"a{number:03d}")
    assert set(setup.registry.look_up(())) == {WAVES, DAYS}


def test_a_bundle_that_is_not_there_is_an_outage(setup: Setup, tmp_path: Path) -> None:
    (reference,) = setup.registry.look_up((DAYS,)).values()
    assert reference is not None
    location = Path(setup.client.get_model_version_download_uri("days", "1").removeprefix("file://"))
    hidden = (location / VERSION_PATH).rename(location / "hidden")
    try:
        with pytest.raises(RegistryUnavailable, match="while the bundle was fetched"):
            setup.registry.download(reference, tmp_path)
    finally:
        hidden.rename(location / VERSION_PATH)


def test_a_spoiled_database_is_an_outage(setup: Setup) -> None:
    (setup.home / "mlflow.db").write_bytes(b"no database")
    with pytest.raises(RegistryUnavailable, match="at the registry"):
        Registry(setup.settings).look_up((WAVES,))


def test_the_service_follows_real_promotions_and_rollbacks(setup: Setup) -> None:
    models = Models(setup.settings, setup.registry)
    models.refresh()
    assert [(model.reference.name, model.reference.version) for model in models.served] == [
        ("days", "1"),
        ("waves", "1"),
    ]
    version = setup.add_version()
    models.refresh()
    setup.client.set_registered_model_alias("waves", "champion", "1")
    held = models.find("waves")
    models.refresh()
    assert (held.reference.version, held.generation) == (version, 2)
    assert (models.find("waves").reference.version, models.find("waves").generation) == ("1", 3)
    assert not models.find("waves").differing_libraries


class Frozen:
    """A server that accepts connections and says nothing, or a byte now and then."""

    def __init__(self, *, drips: bool) -> None:
        self._drips = drips
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        held: list[socket.socket] = []
        while not self._is_over.is_set():
            try:
                held.append(self._listener.accept()[0])
                held[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" if self._drips else b"")
            except TimeoutError:
                self._drip(held)
        for connection in held:
            connection.close()

    def _drip(self, held: list[socket.socket]) -> None:
        for connection in held if self._drips else ():
            try:
                connection.sendall(b"X-Patience: 1\r\n")
            except OSError:
                held.remove(connection)
                return


@pytest.fixture
def default_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what others in this process have told MLflow."""
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["silent", "dripping"])
def frozen(request: pytest.FixtureRequest) -> Iterator[Frozen]:
    server = Frozen(drips=request.param == "dripping")
    yield server
    server.close()


@pytest.mark.usefixtures("default_limits")
def test_a_frozen_registry_holds_a_look_up_for_less_than_five_seconds(frozen: Frozen, tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, registry_uri=frozen.url))
    begin = time.monotonic()
    with pytest.raises(RegistryUnavailable, match="registry"):
        registry.look_up((WAVES, DAYS))
    assert time.monotonic() - begin < LIMIT


@pytest.mark.usefixtures("default_limits")
def test_a_dead_registry_is_known_at_once(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1"))
    begin = time.monotonic()
    for _ in range(3):
        with pytest.raises(RegistryUnavailable, match="MlflowException at the registry"):
            registry.look_up(())
    assert time.monotonic() - begin < LIMIT


def test_no_second_question_is_asked_while_one_is_open(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", registry_timeout_seconds=1))
    leave = threading.Event()
    with pytest.raises(RegistryUnavailable, match="no answer from the registry in 1 s"):
        registry._in_time(lambda: leave.wait(30))
    with pytest.raises(RegistryUnavailable, match="an earlier question"):
        registry.look_up(())
    leave.set()


@pytest.mark.parametrize("uri", ["nonsense://x", "s3://bucket"])
def test_what_is_no_registry_ends_the_start(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        Registry(Settings(home=tmp_path, registry_uri=uri))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        Registry(Settings(home=tmp_path / "file", registry_uri=""))
