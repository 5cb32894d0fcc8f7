"""Keys: what is stored proves them and does not hold them; rotation, revocation, expiry; no change is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope, parse_token
from service.access.rate import Rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FORECAST = KeyTerms((Scope.FORECAST,))
CREATE = """
import sys
from pathlib import Path
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope

home = Path(sys.argv[1])
store = KeyStore(KeyFiles(home / "keys.json", home / "pepper", None))
for _ in range(10):
    store.create(KeyTerms((Scope.FORECAST,)))
"""


def files_in(home: Path, pepper: bytes | None = None) -> KeyFiles:
    return KeyFiles(home / "keys.json", home / "pepper", pepper)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(files_in(tmp_path), clock=lambda: NOON)


def test_no_file_holds_a_key_or_its_secret(store: KeyStore, tmp_path: Path) -> None:
    tokens = [store.create(FORECAST).token for _ in range(3)]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for token in tokens:
        parts = parse_token(token)
        assert parts is not None
        assert parts[0].encode() in stored
        assert parts[1].encode() not in stored
    assert len(set(tokens)) == 3


def test_a_key_has_256_random_bits_and_is_not_shown_by_accident(store: KeyStore) -> None:
    new = store.create(FORECAST)
    parts = parse_token(new.token)
    assert parts is not None
    assert len(parts[1]) * 6 >= 256
    assert parts[1] not in repr(new)
    assert new.record.digest not in repr(new)


def test_keys_and_pepper_are_for_their_owner_alone(store: KeyStore, tmp_path: Path) -> None:
    store.create(FORECAST)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes) == {"keys.json", "pepper", ".keys.json.lock", ".pepper.lock"}
    assert set(modes.values()) == {0o600}


def test_the_pepper_is_made_once_and_part_of_every_digest(store: KeyStore, tmp_path: Path) -> None:
    store.create(FORECAST)
    pepper = (tmp_path / "pepper").read_bytes()
    store.create(FORECAST)
    assert (tmp_path / "pepper").read_bytes() == pepper
    given = KeyStore(files_in(tmp_path / "other", b"p" * 32))
    given.create(FORECAST)
    assert not (tmp_path / "other" / "pepper").exists()


def test_a_lost_pepper_is_missed_and_not_replaced(store: KeyStore, tmp_path: Path) -> None:
    store.create(FORECAST)
    (tmp_path / "pepper").unlink()
    with pytest.raises(ConfigError, match=r"pepper is missing: no key of .*keys\.json can be checked"):
        store.create(FORECAST)
    assert not (tmp_path / "pepper").exists()
    assert len(store.records()) == 1


def test_a_short_pepper_is_refused(store: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "pepper").touch(mode=0o600)
    (tmp_path / "pepper").write_bytes(b"changeme")
    with pytest.raises(ConfigError, match="pepper has 8 bytes, at least 32"):
        store.create(FORECAST)


def test_a_record_keeps_its_terms(store: KeyStore) -> None:
    terms = KeyTerms(
        (Scope.METRICS, Scope.FORECAST, Scope.METRICS), timedelta(days=2), "shop", Rate(burst=5, per_minute=7)
    )
    store.create(terms)
    (record,) = store.records()
    assert record.scopes == (Scope.FORECAST, Scope.METRICS)
    assert (record.created, record.expires) == (NOON, NOON + timedelta(days=2))
    assert (record.note, record.rate) == ("shop", Rate(burst=5, per_minute=7))


def test_a_key_expires_at_its_moment(store: KeyStore) -> None:
    record = store.create(KeyTerms((Scope.FORECAST,), timedelta(hours=1))).record
    assert record.state(NOON + timedelta(minutes=59)) == "live"
    assert record.state(NOON + timedelta(hours=1)) == "expired"


def test_a_revoked_key_stays_revoked_since_the_first_time(store: KeyStore, tmp_path: Path) -> None:
    key_id = store.create(FORECAST).record.id
    first = store.revoke(key_id)
    later = KeyStore(files_in(tmp_path), clock=lambda: NOON + timedelta(days=1))
    assert later.revoke(key_id) == first
    assert store.records()[0].state(NOON) == "revoked"


def test_rotation_leaves_two_live_keys_until_the_overlap_ends(store: KeyStore) -> None:
    old = store.create(KeyTerms((Scope.FORECAST, Scope.EXPLAIN), note="shop")).record
    new = store.rotate(old.id).record
    spent = store.records()[0]
    assert (spent.state(NOON + timedelta(hours=23)), new.state(NOON + timedelta(hours=23))) == ("live", "live")
    assert (spent.state(NOON + timedelta(hours=24)), new.state(NOON + timedelta(hours=24))) == ("expired", "live")
    assert (new.scopes, new.note, new.expires) == (old.scopes, "shop", None)
    assert spent.successor == new.id


def test_rotation_renews_the_lifetime_and_never_lengthens_the_old_key(tmp_path: Path) -> None:
    created = KeyStore(files_in(tmp_path), clock=lambda: NOON)
    old = created.create(KeyTerms((Scope.FORECAST,), timedelta(days=10))).record
    late = NOON + timedelta(days=9, hours=12)
    new = KeyStore(files_in(tmp_path), clock=lambda: late).rotate(old.id).record
    assert created.records()[0].expires == NOON + timedelta(days=10)
    assert new.expires == late + timedelta(days=10)


def test_a_key_that_is_spent_or_rotated_is_not_rotated(store: KeyStore) -> None:
    revoked, rotated = store.create(FORECAST).record.id, store.create(FORECAST).record.id
    store.revoke(revoked)
    with pytest.raises(ConfigError, match=f"key {revoked} is revoked: create a new one"):
        store.rotate(revoked)
    successor = store.rotate(rotated).record.id
    with pytest.raises(ConfigError, match=f"was rotated to {successor}: rotate that one"):
        store.rotate(rotated)


def test_an_unknown_key_is_named(store: KeyStore) -> None:
    for change in (store.revoke, store.rotate):
        with pytest.raises(ConfigError, match="there is no key 'abc'"):
            change("abc")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the document: Invalid JSON"),
        (b'{"version": 1, "keys": [', "the document: Invalid JSON"),
        (b'{"version": 2, "keys": []}', "version: Input should be 1"),
        (b'{"version": 1, "keys": [{"id": "x"}]}', r"keys\.0\.id: String should match pattern"),
        (b'{"version": 1, "keys": [], "more": 1}', "more: Extra inputs are not permitted"),
    ],
)
def test_a_malformed_file_is_refused_and_left_alone(
    store: KeyStore, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        store.create(FORECAST)
    assert path.read_bytes() == content


def test_two_keys_of_one_id_are_refused(store: KeyStore, tmp_path: Path) -> None:
    store.create(FORECAST)
    path = tmp_path / "keys.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"keys": document["keys"] * 2}))
    with pytest.raises(ConfigError, match="two keys of one id"):
        store.records()


def test_processes_that_create_keys_at_once_lose_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CREATE, str(tmp_path)]
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, timeout=120, check=True), range(3)))
    assert len(done) == 3
    assert len(KeyStore(files_in(tmp_path)).records()) == 30


@pytest.mark.parametrize("token", ["", "fk_", "fk_0123456789ab_", "x" * 60, "fk_0123456789ab_" + "é" * 43])
def test_what_has_not_the_form_of_a_key_is_none(token: str) -> None:
    assert parse_token(token) is None
