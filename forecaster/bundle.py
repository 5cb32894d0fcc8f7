"""The bundle: the folder that carries a trained model from the trainer to whoever forecasts with it.

    manifest.json             schema version, library versions, training facts, size and SHA-256 of each other file
    config.json               the resolved ModelConfig, the frequency, the number of networks, the calibration
    weights.safetensors       the parameters of each network, after its number: '0.encoder...', '1.encoder...'
    calibration.safetensors   factors of the quantiles' distance from the median [H], rank templates [T H]
    golden.safetensors        some windows and the quantiles that the trainer's predictor gave for them
    network.onnx              all networks as one graph for ONNX Runtime; not in every bundle
    signature.json            whose key has signed the bundle's digest (forecaster/signature.py); not in every bundle

Data only: nothing in it is executed, and nothing is unpickled. The digest of a bundle is the SHA-256 of its
manifest, which names the digests of all the rest but the signature. `load_bundle` refuses a folder with a file that
is missing, changed or not in the manifest, and a model that does not reproduce its golden forecast.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from forecaster.config import Config
from forecaster.data.whole_folder import publish
from forecaster.errors import BundleError, ForecasterError, IntegrityError
from forecaster.golden import record_golden
from forecaster.manifest import FileDigest, Manifest, Provenance, TrainingFacts
from forecaster.predictor import Predictor
from forecaster.runtime.choose import Runtime, RuntimeChoice, Timings, chosen
from forecaster.signature import SIGNATURE
from forecaster.stored_predictor import BundleConfig, calibration_tensors, config_of, predictor_of, weights_of
from forecaster.whole_file import sibling

MANIFEST = "manifest.json"
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
CALIBRATION = "calibration.safetensors"
GOLDEN = "golden.safetensors"
NETWORK = "network.onnx"

SCHEMA_VERSION = 2

# What both wings agree on: where a registered version keeps its bundle, and the tag with the bundle's digest.
VERSION_PATH = "artifacts/bundle"
DIGEST_TAG = "bundle_digest"

_DATA_FILES = (CALIBRATION, CONFIG, GOLDEN, WEIGHTS)
_LIBRARIES = ("forecaster", "torch", "numpy", "safetensors")
_MAX_JSON_BYTES = 16 << 20

ConfigT = TypeVar("ConfigT", bound=Config)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, loaded."""

    predictor: Predictor
    config: BundleConfig
    manifest: Manifest
    digest: str  # 'sha256:...' of the manifest
    runtime: RuntimeChoice  # what executes the predictor

    @property
    def facts(self) -> TrainingFacts:
        """The facts of its training."""
        return self.manifest.training


def save_bundle(
    folder: Path,
    predictor: Predictor,
    training: TrainingFacts,
    graph: bytes | None = None,
    provenance: Provenance | None = None,
) -> str:
    """Writes a bundle to `folder`, which must not exist yet, all or nothing. Gives its digest.

    `graph` is what `forecaster.runtime.export` gives for the predictor, if it shall be executed by ONNX Runtime too.
    BundleError where it exists; what the file system refuses is an OSError.
    """
    if folder.exists():
        raise BundleError(f"bundle folder {folder} exists already", code="bundle-exists")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = sibling(folder, "partial")
    draft.mkdir()
    try:
        save_file(weights_of(predictor), draft / WEIGHTS)
        save_file(calibration_tensors(predictor), draft / CALIBRATION)
        save_file(record_golden(predictor), draft / GOLDEN)
        (draft / CONFIG).write_text(config_of(predictor).model_dump_json(indent=2))
        if graph is not None:
            (draft / NETWORK).write_bytes(graph)
        files = {path.name: _digest_file(path) for path in sorted(draft.iterdir())}
        libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
        _open_to_others(draft)
        manifest = Manifest(libraries=libraries, training=training, provenance=provenance, files=files)
        (draft / MANIFEST).write_text(manifest.model_dump_json(indent=2))
        publish(draft, folder, overwrite=False)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return digest_of(folder)


def attribute(folder: Path, run_id: str) -> str:
    """Has a bundle that a pipeline wrote come from another run; it is unsigned then. Gives its new digest.

    BundleError for one without provenance.
    """
    manifest = read_manifest(folder)
    if manifest.provenance is None:
        raise BundleError(f"bundle {folder.name} has no provenance that could name a run")
    provenance = manifest.provenance.model_copy(update={"run_id": run_id})
    draft = sibling(folder, "manifest")
    draft.write_text(manifest.model_copy(update={"provenance": provenance}).model_dump_json(indent=2))
    (folder / SIGNATURE).unlink(missing_ok=True)
    draft.replace(folder / MANIFEST)
    return digest_of(folder)


def _open_to_others(draft: Path) -> None:
    """Lets others read the tensors, which were made for their writer alone, as they may read the config."""
    for name in _DATA_FILES:
        (draft / name).chmod((draft / CONFIG).stat().st_mode)


def load_bundle(folder: Path, runtime: Runtime = "eager", num_threads: int = 1) -> Bundle:
    """Loads and verifies a bundle: digests first, then the network, then its golden forecast.

    What executes it is torch ('eager': to the last digit what the trainer had), ONNX Runtime on `num_threads` threads
    ('onnx'), or the faster of the two on this machine ('auto'); the golden forecast is replayed on what will be used.
    Executed by ONNX Runtime, the networks of the predictor have shapes but no weights: those are in its graph.
    Raises BundleError for a malformed folder, IntegrityError for changed, missing or extra files and
    GoldenError when the network answers its golden contexts differently from when it was saved.
    """
    try:
        manifest = read_manifest(folder)
        _verify_files(folder, manifest)
    except OSError as error:
        raise BundleError(f"bundle {str(folder)[:80]} cannot be read: {error.strerror}") from error
    try:
        config = _parse(BundleConfig, folder / CONFIG)
        predictor = predictor_of(config, load_file(folder / WEIGHTS), load_file(folder / CALIBRATION))
        graph = None if runtime == "eager" else _read_graph(folder, manifest)
        predictor, choice = chosen(predictor, load_file(folder / GOLDEN), graph, runtime, num_threads)
        if choice.name == "onnx":
            for network in predictor.networks:
                network.to_empty(device="meta")
    except BundleError:
        raise
    except (ForecasterError, SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise BundleError(f"bundle {folder.name} cannot be loaded: {error}") from error
    return Bundle(predictor, config, manifest, digest_of(folder), choice)


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest alone, without verifying what it names."""
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}", code="bundle-missing")
    return _parse(Manifest, folder / MANIFEST)


def _parse(kind: type[ConfigT], path: Path) -> ConfigT:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise BundleError(f"{path.name} is larger than {_MAX_JSON_BYTES} bytes")
        content = json.loads(path.read_bytes())
        if kind is Manifest:
            _refuse_other_schema(content, path)
        return kind.model_validate(content)
    except (OSError, ValueError, RecursionError) as error:  # ValidationError and JSONDecodeError are ValueErrors
        reason = f"{error.error_count()} invalid fields" if isinstance(error, ValidationError) else str(error)
        raise BundleError(f"{path.name} of bundle {path.parent.name} cannot be read: {reason}") from error


def _refuse_other_schema(manifest: Any, path: Path) -> None:
    """Raises BundleError for a manifest that another version of the library wrote."""
    found = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if type(found) is int and found != SCHEMA_VERSION:
        raise BundleError(
            f"{path.name} of bundle {path.parent.name} has schema version {found}, this version of the library reads "
            f"{SCHEMA_VERSION}: train the model again",
            code="other-schema",
        )


def _verify_files(folder: Path, manifest: Manifest) -> None:
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    if SIGNATURE in found:
        _check_plain(folder / SIGNATURE)
        found -= {SIGNATURE}
    if found != set(manifest.files):
        raise IntegrityError(f"bundle holds {sorted(found)}, its manifest names {sorted(manifest.files)}")
    if found - {NETWORK} != set(_DATA_FILES):
        raise BundleError(f"bundle holds {sorted(found)}, this version of the library wants {sorted(_DATA_FILES)}")
    for name, expected in manifest.files.items():
        _check_plain(folder / name)
        if _digest_file(folder / name) != expected:
            raise IntegrityError(f"{name} of the bundle differs from the SHA-256 in its manifest")


def _check_plain(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(f"{path.name} of the bundle is not a plain file")


def _read_graph(folder: Path, manifest: Manifest) -> bytes | None:
    """Gives the graph, if there is one: the very bytes that the manifest names, whatever the file holds by now."""
    if NETWORK not in manifest.files:
        return None
    graph = (folder / NETWORK).read_bytes()
    if hashlib.sha256(graph).hexdigest() != manifest.files[NETWORK].sha256:
        raise IntegrityError(f"{NETWORK} of the bundle differs from the SHA-256 in its manifest")
    return graph


def _digest_file(path: Path) -> FileDigest:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileDigest(size=path.stat().st_size, sha256=digest)


def digest_of(folder: Path) -> str:
    """Gives the digest of the bundle in a folder: 'sha256:...' of its manifest as it lies there."""
    return f"sha256:{_digest_file(folder / MANIFEST).sha256}"


def describe(bundle: Bundle) -> dict[str, Any]:
    """Gives the facts about a bundle that people and clients ask for, JSON-safe."""
    config = bundle.config
    return {
        "digest": bundle.digest,
        "frequency": config.frequency,
        "horizon": config.model.horizon,
        "context_length": config.model.context_length,
        "levels": list(config.model.levels),
        "head": config.model.head,
        "calibrated": config.calibration is not None,
        "num_parameters": sum(p.numel() for network in bundle.predictor.networks for p in network.parameters()),
        "runtime": {"name": bundle.runtime.name, "milliseconds": _by_text(bundle.runtime.milliseconds)},
        "libraries": bundle.manifest.libraries,
        "training": bundle.manifest.training.model_dump(exclude={"split", "used_up", "start", "correction_share"}),
    }


def _by_text(timings: Timings) -> dict[str, dict[str, float]]:
    """Gives timings with batch sizes as texts, which is what keys in JSON are."""
    return {name: {str(size): value for size, value in found.items()} for name, found in timings.items()}
