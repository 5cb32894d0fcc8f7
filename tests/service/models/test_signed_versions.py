"""Where keys are trusted, only what one of them has signed serves: from the registry, from the disk, at any time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.bundle import MANIFEST
from forecaster.errors import BundleError, ConfigError
from forecaster.signature import SIGNATURE, SigningKey, write_signature
from service.models.verified import verified_bundle
from service.settings import read_settings
from tests.service.integrity import reference_of
from tests.service.models.test_models import House, fields, flip, problem, versions

OURS, OLD, FOREIGN = SigningKey.new(), SigningKey.new(), SigningKey.new()
TRUSTED = {"verifying_keys": (OURS.public_key,)}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def sign(house: House, version: str, key: SigningKey = OURS) -> Path:
    """Signs a version in the registry as it lies there; gives its folder."""
    folder = house.registry.folder("waves", version)
    write_signature(folder, key.sign(reference_of(folder).digest))
    return folder


def edit_manifest(house: House, version: str) -> None:
    """Changes the manifest after it was signed, and the digest that the registry names with it."""
    folder = sign(house, version)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["training"]["num_series"] += 1
    (folder / MANIFEST).write_text(json.dumps(manifest))
    house.registry.references["waves", version] = reference_of(folder, version=version)


def take_another(house: House, version: str) -> None:
    """Puts the signature of another bundle beside this one."""
    (house.registry.folder("waves", version) / SIGNATURE).write_bytes((sign(house, "1") / SIGNATURE).read_bytes())


WRONGS: dict[str, tuple[str, Callable[[House, str], object]]] = {
    "unsigned": ("not-signed", lambda house, version: None),
    "foreign key": ("foreign-signature", lambda house, version: sign(house, version, FOREIGN)),
    "edited manifest": ("bad-signature", edit_manifest),
    "edited signature": ("bad-signature", lambda house, version: flip(sign(house, version) / SIGNATURE)),
    "another's signature": ("bad-signature", take_another),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_no_trusted_key_has_signed_is_refused_and_the_old_version_stays(house: House, wrong: str) -> None:
    house.registry.add()
    sign(house, "1")
    models = house.refreshed(**TRUSTED)
    house.registry.add()
    code, do = WRONGS[wrong]
    do(house, "2")
    assert [failed for _, failed in models.refresh().failed] == [code]
    assert (versions(models), problem(models)) == ({"waves@champion": "1"}, code)
    assert [path.name for path in (house.home / "cache/waves").iterdir()] == [house.cached(models).name]


@pytest.mark.parametrize("wrong", WRONGS)
def test_without_a_trusted_key_signatures_are_not_looked_at(house: House, wrong: str) -> None:
    house.registry.add()
    house.registry.add()
    WRONGS[wrong][1](house, "2")
    assert versions(house.refreshed()) == {"waves@champion": "2"}


def test_while_keys_are_rotated_both_are_good(house: House) -> None:
    both = {"verifying_keys": (OURS.public_key, OLD.public_key)}
    for version, key in (("1", OLD), ("2", OURS)):
        house.registry.add()
        sign(house, version, key)
        assert versions(house.refreshed(**both)) == {"waves@champion": version}
    house.registry.aliases["waves", "champion"] = "1"
    models = house.refreshed(**TRUSTED)
    assert (versions(models), problem(models)) == ({}, "foreign-signature")


def test_a_signed_bundle_serves_from_the_disk(house: House) -> None:
    house.registry.add()
    sign(house, "1")
    house.refreshed(**TRUSTED)
    house.registry.is_down = True
    assert versions(house.restarted(**TRUSTED)) == {"waves@champion": "1"}


def test_a_start_from_the_disk_passes_over_what_is_not_signed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.registry.add()
    sign(house, "1")
    models = house.refreshed()
    house.registry.add()
    models.refresh()
    unsigned = house.cached(models)
    house.registry.is_down = True
    assert versions(house.restarted(**TRUSTED)) == {"waves@champion": "1"}
    (refusal,) = fields(caplog, "version_refused")
    assert (refusal["version"], refusal["code"]) == ("2", "not-signed")
    assert unsigned.is_dir()
    assert versions(house.restarted()) == {"waves@champion": "1"}  # what served last


def test_a_start_without_registry_loses_nothing_by_a_key_that_is_corrected(house: House) -> None:
    house.registry.add()
    sign(house, "1")
    house.refreshed()
    house.registry.is_down = True
    wrong = house.restarted(verifying_keys=(FOREIGN.public_key,))
    wrong.refresh()
    assert not wrong.is_ready
    assert versions(house.restarted(**TRUSTED)) == {"waves@champion": "1"}


def test_a_signature_that_was_spoiled_on_disk_is_fetched_anew(house: House) -> None:
    house.registry.add()
    sign(house, "1")
    path = house.cached(house.refreshed()) / SIGNATURE
    whole = path.read_bytes()
    flip(path)
    models = house.restarted(**TRUSTED)
    assert not models.is_ready
    models.refresh()
    assert versions(models) == {"waves@champion": "1"}
    assert path.read_bytes() == whole


def test_a_version_that_is_signed_afterwards_serves_from_the_next_try_on(house: House) -> None:
    house.registry.add()
    house.refreshed()  # so that the disk has it, unsigned
    models = house.restarted(**TRUSTED)
    models.refresh()
    assert problem(models) == "not-signed"
    sign(house, "1")
    house.clock.now += 300
    models.refresh()
    assert (versions(models), problem(models)) == ({"waves@champion": "1"}, None)
    house.registry.is_down = True
    assert versions(house.restarted(**TRUSTED)) == {"waves@champion": "1"}


def test_no_bit_of_a_signed_bundle_can_change(house: House) -> None:
    house.registry.add()
    folder = sign(house, "1")
    reference = reference_of(folder)
    files = [path for path in folder.iterdir() for _ in range(20)]
    rng = random.Random(0)  # noqa: S311
    for path in files:
        content = path.read_bytes()
        spoiled = bytearray(content)
        spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(spoiled))
        with pytest.raises(BundleError, match="bundle"):
            verified_bundle(folder, reference, trusted=TRUSTED["verifying_keys"])
        path.write_bytes(content)
    assert verified_bundle(folder, reference, trusted=TRUSTED["verifying_keys"])


def test_a_link_in_the_place_of_the_signature_is_refused_without_any_key(house: House, tmp_path: Path) -> None:
    """The cache makes its files their owner's alone, and must not do so to what a link names."""
    house.registry.add()
    (tmp_path / "elsewhere").write_text("")
    (house.registry.folder("waves", "1") / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    assert problem(house.refreshed()) == "digest-mismatch"


def test_keys_of_the_environment_are_read_and_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_VERIFYING_KEYS", f"{OURS.public_key}, {OLD.public_key}")
    assert read_settings({}).verifying_keys == (OURS.public_key, OLD.public_key)
    secret = OURS.to_pem().decode()
    monkeypatch.setenv("FORECASTER_VERIFYING_KEYS", secret)
    with pytest.raises(ConfigError, match=r"verifying_keys: .*something else than public keys") as caught:
        read_settings({})
    assert secret.splitlines()[1] not in str(caught.value)
