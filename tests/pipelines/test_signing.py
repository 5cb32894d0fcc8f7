"""Signed trainings: made with a key, verified by who serves them, and refused early where something is wrong."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from forecaster.bundle import VERSION_PATH, load_bundle
from forecaster.config import TrainingConfig
from forecaster.data.reading import read_panel
from forecaster.errors import ConfigError, SignatureError
from forecaster.signature import SIGNATURE, SigningKey, write_signature
from pipelines import tracking
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.promotion.promote import find_contenders
from pipelines.references import load_reference
from pipelines.registry import Version
from pipelines.signing import make_signing_key, read_signing_key
from pipelines.train import train
from service.models.models import Models
from service.models.registry import Registry
from service.settings import Settings
from tests.conftest import TINY, noisy_waves
from tests.conftest import Registry as Stored
from tests.pipelines.factories import save_priced
from tests.pipelines.test_flow import TINY_FLAGS, Shell, shell

__all__ = ["shell"]
STRANGER = SigningKey.new()


@dataclass(frozen=True)
class Signed:
    """A registry whose version 1 of 'waves', the champion, is not signed, and whose version 2 is."""

    environment: Environment
    key: SigningKey
    client: MlflowClient

    def folder(self, number: str) -> Path:
        """Gives where the bundle of a version lies."""
        source = self.client.get_model_version_download_uri("waves", number)
        return Path(source.removeprefix("file://")) / VERSION_PATH


@pytest.fixture(scope="module")
def signed(registry: Stored, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    home = tmp_path_factory.mktemp("signed") / "home"
    shutil.copytree(registry.home, home, ignore=shutil.ignore_patterns("work", "cache"))
    key = make_signing_key(home / "signing.pem")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    environment = Environment(home=home, tracking_uri=uri, signing_key_file=home / "signing.pem")
    config = PipelineConfig(name="waves", **{**TINY, "training": TrainingConfig(max_steps=1, batch_size=16)})
    loaded = LoadedPanel(read_panel(noisy_waves()).panel, (), {})
    train(environment, tracking.connect(environment), config, loaded)
    return Signed(environment, key, MlflowClient(uri, uri))


def test_a_signed_version_serves_where_its_key_is_trusted_and_an_unsigned_one_does_not(signed: Signed) -> None:
    settings = Settings(
        home=signed.environment.home / "serving",
        registry_uri=signed.environment.tracking_uri,
        registry_timeout_seconds=60,
        models=("waves/2", "waves"),
        verifying_keys=(signed.key.public_key,),
    )
    models = Models(settings, Registry(settings))
    models.refresh()
    assert [str(model.spec) for model in models.served] == ["waves/2"]
    refused = {str(one.spec): one.following.problem() for one in models.state().specs}
    assert refused == {"waves@champion": ("not-signed", "the bundle has no signature.json"), "waves/2": None}


def test_without_a_key_nothing_is_signed(signed: Signed) -> None:
    assert not (signed.folder("1") / SIGNATURE).exists()


def test_only_a_signed_challenger_is_promoted_and_an_unsigned_champion_gives_way(signed: Signed) -> None:
    trusting = signed.environment.model_copy(update={"verifying_keys": (signed.key.public_key,)})
    found = find_contenders(trusting, signed.client, "waves")
    assert (set(found.bundles), found.champion) == ({"challenger"}, Version("waves", 1))
    with pytest.raises(SignatureError, match="has no"):
        find_contenders(trusting, signed.client, "waves", Version("waves", 1))


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_key_that_cannot_be_used_ends_a_training_before_it_begins(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    path = shell.home / "signing.pem"
    if mode is not None:
        make_signing_key(path)
        path.chmod(mode)
    monkeypatch.setenv("FORECASTER_SIGNING_KEY_FILE", str(path))
    experiments = [shell.client.get_experiment_by_name("waves").experiment_id]
    before = len(shell.client.search_runs(experiments))
    code, result = shell("train", "--data", str(shell.data), "--max-steps", "1", *TINY_FLAGS)
    assert (code, result["error"]) == (2, "invalid-config")
    assert "signing.pem" in result["message"]
    assert len(shell.client.search_runs(experiments)) == before


def test_no_training_begins_with_what_is_not_signed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be signed in its turn."""
    monkeypatch.setenv("FORECASTER_VERIFYING_KEYS", STRANGER.public_key)
    flags = ("--start", "warm", "--from", "waves", "--max-steps", "1", *TINY_FLAGS)
    code, result = shell("train", "--data", str(shell.data), *flags)
    assert (code, result["error"]) == (5, "not-signed")


def test_a_bundle_folder_must_be_signed_too(tmp_path: Path) -> None:
    folder = save_priced(tmp_path / "priced")
    trusting = Environment(verifying_keys=(STRANGER.public_key,))
    assert load_reference(Environment(), str(folder))
    with pytest.raises(SignatureError, match="has no"):
        load_reference(trusting, str(folder))
    write_signature(folder, STRANGER.sign(load_bundle(folder).digest))
    assert load_reference(trusting, str(folder))


# The key and its file.


def test_a_made_key_is_its_owners_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    key = make_signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_signing_key(path).public_key == key.public_key
    with pytest.raises(ConfigError, match="exists already"):
        make_signing_key(path)
    assert read_signing_key(path).public_key == key.public_key


def test_a_key_file_that_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file"):
        make_signing_key(tmp_path / "file" / "signing.pem")
    with pytest.raises(ConfigError, match=r"none\.pem is missing; `forecaster signing-key` makes one"):
        read_signing_key(tmp_path / "none.pem")
    (tmp_path / "file").chmod(0o600)
    with pytest.raises(ConfigError, match="file holds no private key in PEM"):
        read_signing_key(tmp_path / "file")


def test_the_command_makes_a_key_and_shows_its_public_half(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = "from pipelines.commands.upkeep import signing_key; signing_key()"
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout

    path = tmp_path / "signing.pem"
    made = run(str(path))
    assert made == (0, f"{read_signing_key(path).public_key}\n")
    assert run(str(path), "--show") == made
