"""A registry with many versions of one model: good ones that numbers tell apart, and spoiled ones of many kinds.

Versions are made without MLflow's own packaging, which takes seconds each and which the service does not read: a
folder with the bundle where the service looks for it, and the tag with its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from forecaster.bundle import CALIBRATION, CONFIG, DIGEST_TAG, MANIFEST, VERSION_PATH, WEIGHTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CHAMPION = "champion"
_NO_DIGEST = f"sha256:{0:064d}"

Spoil = Callable[[Path, Path], str | None]  # takes a bundle and another one; gives the digest to register it with


@dataclass(frozen=True)
class Move:
    """The champion's alias set to another version: when that was begun and when it was done, in monotonic time."""

    version: str
    begin: float
    end: float


class Versions:
    """Versions of one model in the SQLite registry of a home."""

    def __init__(self, home: Path, name: str) -> None:
        self._home, self._name = home, name
        self._client = _client(f"sqlite:///{home / 'mlflow.db'}")
        self._client.create_registered_model(name)

    def add(self, bundle: Path, digest: str | None) -> str:
        """Registers a copy of a bundle with the digest, or without any; gives the number of the version."""
        number = 1 + len(self._client.search_model_versions(f"name = '{self._name}'", max_results=10_000))
        source = self._home / "artifacts" / str(number)
        (source / VERSION_PATH).parent.mkdir(parents=True)
        if bundle.is_dir():
            shutil.copytree(bundle, source / VERSION_PATH, symlinks=True)
        tags = {} if digest is None else {DIGEST_TAG: digest}
        return str(self._client.create_model_version(self._name, source.as_uri(), tags=tags).version)

    def promote(self, version: str) -> Move:
        """Makes a version the champion."""
        begin = time.monotonic()
        self._client.set_registered_model_alias(self._name, _CHAMPION, version)
        return Move(version, begin, time.monotonic())


def digest_of(folder: Path) -> str:
    """Gives the digest of the bundle as it lies there."""
    return f"sha256:{hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()}"


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _flip_a_bit(folder: Path, _: Path) -> str:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-5] ^= 1 << 6
    (folder / WEIGHTS).write_bytes(bytes(content))
    return digest_of(folder)


def _truncate(folder: Path, _: Path) -> str:
    os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size // 2)
    return digest_of(folder)


def _lose_a_file(folder: Path, _: Path) -> str:
    (folder / CALIBRATION).unlink()
    return digest_of(folder)


def _add_a_file(folder: Path, _: Path) -> str:
    (folder / "model.pkl").write_bytes(b"\x80\x05.")
    return digest_of(folder)


def _link_out(folder: Path, other: Path) -> str:
    (folder / CONFIG).unlink()
    (folder / CONFIG).symlink_to(other / MANIFEST)
    return digest_of(folder)


def _lose_all(folder: Path, _: Path) -> str:
    digest = digest_of(folder)
    shutil.rmtree(folder)
    return digest


def _change_schema(folder: Path, _: Path) -> str:
    return _rewritten(folder, schema_version=1)


def _take_other_weights(folder: Path, other: Path) -> str:
    shutil.copyfile(other / WEIGHTS, folder / WEIGHTS)
    return _rewritten(folder)


def _take_no_numbers(folder: Path, _: Path) -> str:
    tensors = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS)
    return _rewritten(folder)


def _garble_config(folder: Path, _: Path) -> str:
    (folder / CONFIG).write_text('{"model": ')
    return _rewritten(folder)


SPOILED: Mapping[str, Spoil] = MappingProxyType(
    {
        "other digest": lambda *_: _NO_DIGEST,
        "no digest": lambda *_: None,
        "flipped bit": _flip_a_bit,
        "truncated file": _truncate,
        "missing file": _lose_a_file,
        "extra file": _add_a_file,
        "link to another file": _link_out,
        "no artifacts": _lose_all,
        "other schema": _change_schema,
        "other golden forecast": _take_other_weights,
        "weights that are no numbers": _take_no_numbers,
        "unreadable config": _garble_config,
    }
)


def _rewritten(folder: Path, **changes: object) -> str:
    """Makes the manifest name the files as they are now, as one who forges a bundle would; gives its digest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name in manifest["files"]:
        content = (folder / name).read_bytes()
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
    return digest_of(folder)
