"""From the reference that a person writes to a verified bundle: a registered version, or a folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forecaster.bundle import Bundle
from pipelines import registry, tracking
from pipelines.config import Environment


@dataclass(frozen=True)
class Referred:
    """A bundle and what it is called."""

    name: str  # 'sales version 7', or the folder
    bundle: Bundle


def load_reference(environment: Environment, reference: str) -> Referred:
    """Loads 'NAME' (its champion), 'NAME@alias', 'NAME/7' or a bundle folder, signed where the environment asks for it.

    Raises ConfigError for what is none of these, RegistryError for a version that there is not, BundleError.
    """
    with suppress(OSError):  # a text that can be no path is the name of a version, if anything
        if reference and Path(reference).is_dir():
            return Referred(reference, registry.load_folder(Path(reference), environment.verifying_keys))
    version = registry.find(tracking.connect(environment), reference)
    return Referred(str(version), registry.load(version, environment.verifying_keys))
