"""Who signs bundles and whose signature is asked for.

The private key of the trainer is a file: made once, read before every training that shall be signed.
"""

from __future__ import annotations

from pathlib import Path

from forecaster.bundle import Bundle, load_bundle
from forecaster.errors import ConfigError
from forecaster.secret_files import locked, read_secret, write_secret
from forecaster.signature import SigningKey, verify_signature


def make_signing_key(path: Path) -> SigningKey:
    """Makes a key and the file for it, for its owner alone. ConfigError where there is a file already."""
    try:
        with locked(path):
            if path.exists() or path.is_symlink():
                raise ConfigError(f"{path} exists already: a key that has signed is not replaced, take another file")
            key = SigningKey.new()
            write_secret(path, key.to_pem())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    return key


def read_signing_key(path: Path) -> SigningKey:
    """Gives the key in a file. ConfigError where it is missing, open to others or no Ed25519 key in PEM."""
    try:
        return SigningKey.of_pem(read_secret(path))
    except FileNotFoundError:
        raise ConfigError(f"the signing key {path} is missing; `forecaster signing-key` makes one") from None
    except ValueError as error:
        raise ConfigError(f"the signing key {path} holds {error}") from None


def load_signed(folder: Path, trusted: tuple[str, ...]) -> Bundle:
    """Loads a bundle, verified; where there are `trusted` public keys, one of them must have signed it."""
    bundle = load_bundle(folder)
    if trusted:
        verify_signature(folder, bundle.digest, trusted)
    return bundle
