"""From the reference that a person writes to a verified bundle: a registered version, or a folder.

A folder asks nothing of MLflow, whose import takes two seconds and 60 MB: only a version does that.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forecaster.bundle import Bundle
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.pretrained import pretrained_encoder
from pipelines import tracking
from pipelines.config import Environment
from pipelines.signing import load_signed


@dataclass(frozen=True)
class Referred:
    """A bundle and what it is called."""

    name: str  # 'sales version 7', or the folder
    bundle: Bundle


def load_reference(environment: Environment, reference: str) -> Referred:
    """Loads 'NAME' (its champion), 'NAME@alias', 'NAME/7' or a bundle folder, signed where the environment asks for it.

    Raises ConfigError for what is none of these, RegistryError for a version that there is not, BundleError.
    """
    if _is_folder(reference):
        return Referred(reference, load_signed(Path(reference), environment.verifying_keys))
    from pipelines import registry

    version = registry.find(tracking.connect(environment), reference)
    return Referred(str(version), registry.load(version, environment.verifying_keys))


def fetch_reference(environment: Environment, reference: str, folder: Path) -> Referred:
    """Copies the bundle of a reference to `folder`, in the place of what is there, and loads it.

    The pretrained encoder is not copied, and nothing is there then: whoever forecasts with it fits it to a table first.
    The errors are those of `load_reference`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if reference == ZERO_SHOT:
        return Referred(ZERO_SHOT, pretrained_encoder())
    name = reference
    if _is_folder(reference):
        shutil.copytree(reference, folder)
    else:
        from pipelines import registry

        version = registry.find(tracking.connect(environment), reference)
        name = str(version)
        registry.download(version, folder)
    return Referred(name, load_signed(folder, environment.verifying_keys))


def _is_folder(reference: str) -> bool:
    with suppress(OSError):  # a text that can be no path is the name of a version, if anything
        return bool(reference) and Path(reference).is_dir()
    return False
