"""The ring: good keys pass, the rest is refused for a reason; the file is followed, and its spoiling survived."""

from __future__ import annotations

import hmac
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from service.access.key_ring import CHECK_SECONDS, KeyRing, Rejection
from service.access.keys import KeyFiles, KeyRecord, KeyStore, KeyTerms, Scope

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Setup:
    """A store and a ring on the same files, and clocks that stand until told otherwise."""

    def __init__(self, home: Path) -> None:
        self.files = KeyFiles(home / "keys.json", home / "pepper", None)
        self.wall, self.seconds = NOON, 0.0
        self.store = KeyStore(self.files, clock=lambda: self.wall)
        self.first = self.store.create(KeyTerms((Scope.FORECAST,)))
        self.ring = self.new_ring()

    def new_ring(self) -> KeyRing:
        return KeyRing(self.files, clock=lambda: self.wall, monotonic=lambda: self.seconds)

    def reason(self, token: str | None) -> str:
        found = self.ring.check(token)
        return found.reason if isinstance(found, Rejection) else "good"

    def wait(self, seconds: float = CHECK_SECONDS) -> None:
        self.seconds += seconds


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_a_good_key_gives_its_record(setup: Setup) -> None:
    assert setup.ring.check(setup.first.token) == setup.first.record


def test_every_other_key_is_refused_for_its_reason(setup: Setup) -> None:
    key_id, token = setup.first.record.id, setup.first.token
    other = "a" if token[-2] != "a" else "b"
    assert setup.reason(None) == "missing"
    assert setup.reason("fk_") == "malformed"
    assert setup.reason(f"fk_{'0' * 12}_{token[-43:]}") == "unknown"
    assert setup.ring.check(f"{token[:-2]}{other}{token[-1]}") == Rejection("wrong-secret", key_id)


def test_an_unknown_id_and_a_wrong_secret_are_compared_alike(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    original = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return original(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    setup.reason(f"fk_{'0' * 12}_{'x' * 43}")
    setup.reason(f"fk_{setup.first.record.id}_{'x' * 43}")
    assert compared == [(64, 64), (64, 64)]


def test_a_key_passes_until_it_expires_and_a_clock_set_back_revives_no_revoked_one(setup: Setup) -> None:
    token = setup.store.create(KeyTerms((Scope.FORECAST,), timedelta(hours=1))).token
    setup.wait()
    assert setup.reason(token) == "good"
    setup.wall += timedelta(hours=1)
    assert setup.reason(token) == "expired"
    setup.store.revoke(setup.first.record.id)
    setup.wait()
    setup.wall -= timedelta(days=400)
    assert setup.reason(setup.first.token) == "revoked"


def test_two_keys_are_good_while_a_rotation_overlaps(setup: Setup) -> None:
    new = setup.store.rotate(setup.first.record.id)
    setup.wait()
    assert (setup.reason(setup.first.token), setup.reason(new.token)) == ("good", "good")
    setup.wall += timedelta(hours=24)
    assert (setup.reason(setup.first.token), setup.reason(new.token)) == ("expired", "good")


def test_a_revoked_key_is_refused_within_five_seconds(setup: Setup) -> None:
    setup.store.revoke(setup.first.record.id)
    setup.wait(5)
    assert setup.reason(setup.first.token) == "revoked"


def test_the_file_is_looked_at_once_a_second_and_read_only_when_it_is_another(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    original = KeyFiles.read

    def counted(files: KeyFiles) -> tuple[KeyRecord, ...]:
        reads.append("read")
        return original(files)

    monkeypatch.setattr(KeyFiles, "read", counted)
    setup.wait()
    setup.reason(setup.first.token)
    assert reads == []
    setup.store.revoke(setup.first.record.id)
    reads.clear()
    setup.wait(CHECK_SECONDS / 2)
    assert setup.reason(setup.first.token) == "good"
    assert reads == []
    setup.wait(CHECK_SECONDS / 2)
    assert setup.reason(setup.first.token) == "revoked"
    assert reads == ["read"]


@pytest.mark.parametrize("spoil", ["truncated", "open", "missing", "pepper"])
def test_a_spoiled_file_is_logged_once_and_the_last_good_keys_go_on(
    setup: Setup, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys, good = setup.files.keys, setup.files.keys.read_bytes()
    if spoil == "truncated":
        keys.write_bytes(good[: len(good) // 2])
    elif spoil == "open":
        keys.write_bytes(good + b" ")
        keys.chmod(0o644)
    elif spoil == "missing":
        keys.unlink()
    else:
        keys.write_bytes(good + b" ")
        setup.files.pepper.rename(setup.files.pepper.with_name("hidden"))
    for _ in range(3):
        setup.wait()
        assert setup.reason(setup.first.token) == "good"
    assert [record.message for record in caplog.records].count("keys_unreadable") == 1
    if spoil == "pepper":
        setup.files.pepper.with_name("hidden").rename(setup.files.pepper)
    keys.touch(mode=0o600)
    keys.write_bytes(good)
    keys.chmod(0o600)
    setup.store.revoke(setup.first.record.id)
    setup.wait()
    assert setup.reason(setup.first.token) == "revoked"


def test_a_file_that_goes_again_after_it_came_back_is_missed_again(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hidden = setup.files.keys.with_name("hidden")
    for _ in range(2):
        setup.files.keys.rename(hidden)
        setup.wait()
        assert setup.reason(setup.first.token) == "good"
        hidden.rename(setup.files.keys)
        setup.wait()
        assert setup.reason(setup.first.token) == "good"
    assert [record.message for record in caplog.records] == ["keys_unreadable", "keys_loaded"] * 2


def test_a_file_whose_mode_alone_is_mended_is_read_again(setup: Setup) -> None:
    setup.store.revoke(setup.first.record.id)
    setup.files.keys.chmod(0o644)
    setup.wait()
    assert setup.reason(setup.first.token) == "good"
    setup.files.keys.chmod(0o600)
    setup.wait()
    assert setup.reason(setup.first.token) == "revoked"


def test_a_ring_without_a_file_knows_the_first_key_once_it_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup = Setup(tmp_path / "first")
    setup.files = KeyFiles(tmp_path / "keys.json", tmp_path / "pepper", None)
    setup.ring = setup.new_ring()
    assert [record.message for record in caplog.records] == ["no_keys"]
    token = KeyStore(setup.files).create(KeyTerms((Scope.FORECAST,))).token
    setup.wait()
    assert setup.reason(token) == "good"


def test_a_file_that_cannot_be_used_ends_the_start(setup: Setup) -> None:
    setup.files.keys.chmod(0o644)
    with pytest.raises(ConfigError, match=r"keys\.json has mode 0644.*chmod 0600"):
        setup.new_ring()
