"""Signatures: what a trusted key has signed is accepted, and nothing else, whatever is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from forecaster.errors import SignatureError
from forecaster.signature import SIGNATURE, SigningKey, parse_public_keys, verify_signature, write_signature

DIGEST = f"sha256:{7:064x}"
OTHER_DIGEST = f"sha256:{8:064x}"
# The first key of RFC 8032, 7.1, and its signature as a bundle holds it.
RFC_SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
RFC_SIGNATURE = (
    "0ab934a53e5c51c97e55dfd6a64213ef3c1986f459a7bf1d13211913a7f4b891"
    "47e843cd632623cddcf53edb6c1b9346b8c3ee993202e2be615dfb4386a05d04"
)


def pem(key: Ed25519PrivateKey | X25519PrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def signed(folder: Path, key: SigningKey, digest: str = DIGEST) -> Path:
    write_signature(folder, key.sign(digest))
    return folder


def test_a_signature_is_accepted_from_any_trusted_key(tmp_path: Path) -> None:
    old, new = SigningKey.new(), SigningKey.new()
    trusted = parse_public_keys(f"{old.public_key}, {new.public_key}")
    for key in (old, new):
        assert verify_signature(signed(tmp_path, key), DIGEST, trusted) == key.public_key


def test_a_key_comes_back_from_its_file() -> None:
    key = SigningKey.new()
    again = SigningKey.of_pem(key.to_pem())
    assert (again.public_key, again.sign(DIGEST)) == (key.public_key, key.sign(DIGEST))


def test_signatures_stay_what_they_are() -> None:
    key = SigningKey.of_pem(pem(Ed25519PrivateKey.from_private_bytes(RFC_SECRET)))
    assert (key.public_key, key.sign(DIGEST).signature) == (RFC_PUBLIC, RFC_SIGNATURE)


def test_what_is_signed_cannot_be_mistaken_for_anything_else(tmp_path: Path) -> None:
    """A signature of the bare digest, as another program with this key might make, is none of a bundle."""
    secret = Ed25519PrivateKey.from_private_bytes(RFC_SECRET)
    bare = {"public_key": RFC_PUBLIC, "signature": secret.sign(DIGEST.encode()).hex()}
    (tmp_path / SIGNATURE).write_text(json.dumps(bare))
    with pytest.raises(SignatureError, match="not one of its manifest"):
        verify_signature(tmp_path, DIGEST, (RFC_PUBLIC,))


def test_a_bundle_without_a_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"has no signature\.json") as caught:
        verify_signature(tmp_path, DIGEST, (RFC_PUBLIC,))
    assert caught.value.code == "not-signed"


def test_a_signature_behind_a_link_is_none(tmp_path: Path) -> None:
    key = SigningKey.new()
    signed(tmp_path, key)
    (tmp_path / SIGNATURE).rename(tmp_path / "elsewhere")
    (tmp_path / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SignatureError) as caught:
        verify_signature(tmp_path, DIGEST, (key.public_key,))
    assert caught.value.code == "not-signed"


def test_a_key_that_is_not_trusted_is_named_in_short(tmp_path: Path) -> None:
    key = SigningKey.new()
    with pytest.raises(SignatureError, match=rf"is signed by {key.public_key[:24]}\.\.\., which") as caught:
        verify_signature(signed(tmp_path, key), DIGEST, (RFC_PUBLIC,))
    assert caught.value.code == "foreign-signature"


def test_a_signature_of_another_bundle_is_refused(tmp_path: Path) -> None:
    key = SigningKey.new()
    with pytest.raises(SignatureError, match="not one of its manifest") as caught:
        verify_signature(signed(tmp_path, key, OTHER_DIGEST), DIGEST, (key.public_key,))
    assert caught.value.code == "bad-signature"


def test_a_foreign_signature_under_the_name_of_a_trusted_key_is_refused(tmp_path: Path) -> None:
    ours, theirs = SigningKey.new(), SigningKey.new()
    content = {"public_key": ours.public_key, "signature": theirs.sign(DIGEST).signature}
    (tmp_path / SIGNATURE).write_text(json.dumps(content))
    with pytest.raises(SignatureError, match="not one of its manifest"):
        verify_signature(tmp_path, DIGEST, (ours.public_key,))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"public_key": 1, "signature": 2}',
        json.dumps({"public_key": RFC_PUBLIC}).encode(),
        json.dumps({"public_key": RFC_PUBLIC, "signature": ""}).encode(),
        json.dumps({"public_key": RFC_PUBLIC, "signature": "0" * 126}).encode(),
        json.dumps({"public_key": RFC_PUBLIC, "signature": "G" * 128}).encode(),
        json.dumps({"public_key": RFC_PUBLIC, "signature": "0" * 128 + "\n"}).encode(),
        json.dumps({"public_key": RFC_PUBLIC, "signature": "0" * 128, "algorithm": "none"}).encode(),
        b"[" * 3000,
    ],
    ids=range(12),
)
def test_what_is_no_signature_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SIGNATURE).write_bytes(content)
    with pytest.raises(SignatureError) as caught:
        verify_signature(tmp_path, DIGEST, (RFC_PUBLIC,))
    assert caught.value.code == "bad-signature"


def test_a_signature_that_goes_on_and_on_is_refused(tmp_path: Path) -> None:
    key = SigningKey.new()
    path = signed(tmp_path, key) / SIGNATURE
    path.write_text(path.read_text() + " " * 5000)
    with pytest.raises(SignatureError, match="cannot be read"):
        verify_signature(tmp_path, DIGEST, (key.public_key,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")), "without a password"),
        (pem(X25519PrivateKey.generate()), "no Ed25519 one"),
    ],
    ids=["empty", "rubbish", "encrypted", "another kind"],
)
def test_a_file_without_a_usable_key_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SigningKey.of_pem(content)


@pytest.mark.parametrize(
    "text", ["nonsense", RFC_PUBLIC[8:], f"{RFC_PUBLIC}0", RFC_PUBLIC.upper(), f"{RFC_PUBLIC} {RFC_PUBLIC}"]
)
def test_a_text_that_is_no_list_of_public_keys_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="ed25519: and 64 hex digits") as caught:
        parse_public_keys(f"{RFC_PUBLIC}, {text}")
    assert text not in str(caught.value)


def test_no_text_is_no_key_and_a_key_counts_once() -> None:
    assert parse_public_keys("") == parse_public_keys(" , ") == ()
    assert parse_public_keys(f"{RFC_PUBLIC},{RFC_PUBLIC},") == (RFC_PUBLIC,)


def test_who_neither_signs_nor_verifies_loads_no_cryptography() -> None:
    code = "import sys, forecaster.bundle, service.models.models\nprint('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
