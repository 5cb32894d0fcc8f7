"""Random damage to a bundle: what the service makes of it, and what loading without digests would make of it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from forecaster.bundle import CALIBRATION, CONFIG, MANIFEST, NETWORK, WEIGHTS, load_bundle
from forecaster.errors import BundleError, ForecasterError
from forecaster.runtime.onnx import OnnxEnsemble
from forecaster.stored_predictor import BundleConfig, predictor_of
from service.models.registry import VersionRef
from service.models.verified import verified_bundle


def reference_of(folder: Path, name: str = "waves", version: str = "1") -> VersionRef:
    """Gives the version that a registry would name for the bundle as it lies there."""
    return VersionRef(name, version, f"sha256:{hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()}")


def flip_and_load(bundle_folder: Path, rng: random.Random) -> bool:
    """Flips a random bit of a random file, loads as the service does, flips it back; says whether it was refused."""
    reference = reference_of(bundle_folder)
    with _flipped(rng.choice(sorted(bundle_folder.iterdir())), rng):
        try:
            verified_bundle(bundle_folder, reference)
        except BundleError:
            return True
    return False


def truncate_and_load(bundle_folder: Path, rng: random.Random) -> bool:
    """Cuts one random file off at a random place, loads, mends it; says whether it was refused."""
    path = rng.choice(sorted(bundle_folder.iterdir()))
    return truncate_at_and_load(path, rng.randrange(path.stat().st_size))


def truncate_at_and_load(path: Path, length: int) -> bool:
    """Cuts a file of a bundle off after `length` bytes, loads, mends it; says whether it was refused."""
    bundle_folder, content = path.parent, path.read_bytes()
    reference = reference_of(bundle_folder)
    path.write_bytes(content[:length])
    try:
        verified_bundle(bundle_folder, reference)
    except BundleError:
        return True
    finally:
        path.write_bytes(content)
    return False


def flip_and_load_without_digests(bundle_folder: Path, rng: random.Random) -> bool:
    """The negative control: flips a bit of the weights and loads config and tensors alone, as MLflow would."""
    with _flipped(bundle_folder / WEIGHTS, rng):
        try:
            config = BundleConfig.model_validate(json.loads((bundle_folder / CONFIG).read_bytes()))
            predictor_of(config, load_file(bundle_folder / WEIGHTS), load_file(bundle_folder / CALIBRATION))
        except (ForecasterError, SafetensorError, RuntimeError, ValueError):
            return True
    return False


def flip_and_open_graph(bundle_folder: Path, rng: random.Random) -> bool:
    """The negative control of the graph: flips a bit of it and opens it without its digest; says if it was refused."""
    networks = load_bundle(bundle_folder).predictor.networks
    with _flipped(bundle_folder / NETWORK, rng):
        try:
            OnnxEnsemble((bundle_folder / NETWORK).read_bytes(), networks)
        except BundleError:
            return True
    return False


@contextmanager
def _flipped(path: Path, rng: random.Random) -> Iterator[None]:
    content = path.read_bytes()
    spoiled = bytearray(content)
    spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(spoiled))
    try:
        yield
    finally:
        path.write_bytes(content)
