"""From a folder that may hold anything to a bundle that may serve: verified, warmed up and compared."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import version as running_version
from pathlib import Path

from safetensors.torch import load_file

from forecaster.bundle import GOLDEN, MANIFEST, Bundle, load_bundle
from forecaster.errors import BundleError, IntegrityError
from forecaster.golden import replay_golden
from forecaster.runtime.choose import Runtime
from forecaster.signature import verify_signature
from service.models.registry import VersionRef

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9]{1,9}")
# A change of these may change numbers; the others only read files.
_COMPUTING_LIBRARIES = ("forecaster", "torch")


@dataclass(frozen=True)
class Execution:
    """How bundles are executed: by what, and on how many threads."""

    runtime: Runtime = "eager"
    num_threads: int = 1


EAGER = Execution()


def check_reference(reference: VersionRef) -> None:
    """Raises IntegrityError for a version that the registry names no SHA-256 for; nothing could be verified by it."""
    if not _DIGEST.fullmatch(reference.digest) or not _VERSION.fullmatch(reference.version):
        raise IntegrityError(
            f"version {reference.version[:20]} has no tag with the SHA-256 of its bundle", code="no-digest"
        )


def verified_bundle(
    folder: Path, reference: VersionRef, execution: Execution = EAGER, trusted: tuple[str, ...] = ()
) -> Bundle:
    """Loads the bundle of a version: its manifest has the digest that the registry names, its files those of the
    manifest, and it gives its golden forecast. One of the `trusted` public keys has signed it, if there are any.
    BundleError otherwise, in words without a path of this machine.
    """
    check_reference(reference)
    try:
        _check_manifest(folder, reference.digest)
        if trusted:
            verify_signature(folder, reference.digest, trusted)
        bundle = load_bundle(folder, execution.runtime, execution.num_threads)
    except OSError as error:
        raise BundleError(f"the bundle cannot be read: {error.strerror}") from error
    except BundleError as error:
        message = str(error).replace(str(folder), "the bundle").replace(str(folder)[:80], "the bundle")
        raise type(error)(message, code=error.code) from error
    if bundle.digest != reference.digest:
        raise IntegrityError("the manifest of the bundle changed while it was read")
    return bundle


def warm_up(bundle: Bundle, folder: Path) -> None:
    """Forecasts the golden contexts once more, as the first request would have to; GoldenError as when verifying."""
    replay_golden(bundle.predictor, load_file(folder / GOLDEN))


def differing_libraries(bundle: Bundle) -> dict[str, str]:
    """Gives the running version of each computing library that the bundle was made with another version of."""
    running = {name: running_version(name) for name in _COMPUTING_LIBRARIES}
    return {name: version for name, version in running.items() if bundle.manifest.libraries.get(name) != version}


def contract_changes(before: Bundle, after: Bundle) -> dict[str, str]:
    """Gives what clients may notice of a replacement: the property, and 'old -> new'."""
    old, new = _contract(before), _contract(after)
    return {name: f"{old[name]} -> {new[name]}" for name in old if old[name] != new[name]}


def _contract(bundle: Bundle) -> dict[str, object]:
    model = bundle.config.model
    covariates = model.covariates
    names = sorted((*covariates.past, *covariates.known, *covariates.static, *covariates.categories))
    return {
        "frequency": bundle.config.frequency,
        "horizon": model.horizon,
        "levels": list(model.levels),
        "covariates": names,
    }


def _check_manifest(folder: Path, digest: str) -> None:
    path = folder / MANIFEST
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        raise IntegrityError(f"the bundle has no plain {MANIFEST}")
    with path.open("rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != digest:
        raise IntegrityError(f"the bundle has digest {found}, the registry names {digest}")
