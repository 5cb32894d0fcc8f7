"""Signatures of bundles: that the trainer made it is proved by a key which nobody else has.

    signature.json    the trainer's public key, and its Ed25519 signature of the bundle's digest

The digest is that of the manifest, which names the digests of all other files: no byte of a bundle can change under its
signature. The library `cryptography` does the arithmetic, and is imported by who signs or verifies and by nobody else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from forecaster.errors import SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "signature.json"

_PREFIX = "ed25519:"
_PUBLIC_KEY = re.compile(rf"{_PREFIX}[0-9a-f]{{64}}")
# Nothing else that this key may ever sign begins so.
_CONTEXT = b"forecaster bundle "
_MAX_BYTES = 4096


class BundleSignature(BaseModel):
    """The content of signature.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    public_key: str = Field(pattern=f"^{_PUBLIC_KEY.pattern}$")
    signature: str = Field(pattern="^[0-9a-f]{128}$")


class SigningKey:
    """A private Ed25519 key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def new(cls) -> SigningKey:
        """Makes a key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_pem(cls, content: bytes) -> SigningKey:
        """Reads a key as `to_pem` writes it, or `openssl genpkey -algorithm ed25519`; ValueError for anything else."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
            raise ValueError("no private key in PEM that can be read without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("a private key, but no Ed25519 one")
        return cls(key)

    def to_pem(self) -> bytes:
        """Gives the key as a file holds it, not encrypted."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public_key(self) -> str:
        """What whoever verifies must know: 'ed25519:' and 64 hex digits."""
        return f"{_PREFIX}{self._key.public_key().public_bytes_raw().hex()}"

    def sign(self, digest: str) -> BundleSignature:
        """Signs the digest of a bundle."""
        return BundleSignature(public_key=self.public_key, signature=self._key.sign(_signed(digest)).hex())


def parse_public_keys(text: str) -> tuple[str, ...]:
    """Gives the public keys of a comma-separated text, each once; ValueError, which repeats none, for anything else."""
    keys = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not all(map(_PUBLIC_KEY.fullmatch, keys)):
        raise ValueError("holds something else than public keys, ed25519: and 64 hex digits each")
    return keys


def write_signature(folder: Path, signature: BundleSignature) -> None:
    """Puts a signature beside the manifest of a bundle, in the place of an older one."""
    (folder / SIGNATURE).write_text(signature.model_dump_json(indent=2))


def verify_signature(folder: Path, digest: str, trusted: tuple[str, ...]) -> str:
    """Gives the public key, one of `trusted`, that signed the bundle of this digest.

    That the manifest in the folder has the digest is not looked at. Raises SignatureError where there is no signature,
    where another key made it, and where it is not one of this digest.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = _read(folder / SIGNATURE)
    if found.public_key not in trusted:
        shown = f"{found.public_key[: len(_PREFIX) + 16]}..."
        raise SignatureError(f"the bundle is signed by {shown}, which is not trusted", code="foreign-signature")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found.public_key.removeprefix(_PREFIX)))
        key.verify(bytes.fromhex(found.signature), _signed(digest))
    except InvalidSignature:
        raise SignatureError("the signature of the bundle is not one of its manifest") from None
    return found.public_key


def _signed(digest: str) -> bytes:
    return _CONTEXT + digest.encode()


def _read(path: Path) -> BundleSignature:
    if path.is_symlink() or not path.is_file():
        raise SignatureError(f"the bundle has no {SIGNATURE}", code="not-signed")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
        return BundleSignature.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:  # a ValidationError is a ValueError
        raise SignatureError(f"{SIGNATURE} of the bundle cannot be read") from error
