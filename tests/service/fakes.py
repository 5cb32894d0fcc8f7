"""A registry in memory with bundles on disk, that can be down; and a clock that is set by hand."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecaster.bundle import save_bundle
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from service.model_spec import ModelSpec
from service.models.registry import RegistryUnavailable, VersionRef
from tests.service.integrity import reference_of
from tests.test_bundle import FACTS, small_network


class FakeClock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeRegistry:
    """Versions of models and aliases of them; answers as `service.models.registry.Registry` does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.followed = "champion"
        self.references: dict[tuple[str, str], VersionRef] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.is_down = False
        self.is_store_down = False
        self.num_looks = 0
        self.downloads: list[VersionRef] = []

    def add(
        self,
        name: str = "waves",
        alias: str | None = "champion",
        like: str | None = None,
        frequency: str = "h",
        **changes: Any,
    ) -> VersionRef:
        """Registers a new version with a network of its own, or the one of version `like`, and moves the alias."""
        version = str(1 + sum(1 for known, _ in self.references if known == name))
        folder = self.folder(name, version)
        if like is None:
            network = small_network(seed=len(self.references), **changes)
            save_bundle(folder, Predictor(network, Frequency.parse(frequency), None), FACTS)
        else:
            shutil.copytree(self.folder(name, like), folder)
        reference = self.references[name, version] = reference_of(folder, name, version)
        if alias is not None:
            self.aliases[name, alias] = version
        return reference

    def folder(self, name: str, version: str) -> Path:
        """Gives where the files of a version lie."""
        return self._folder / name / version

    def look_up(self, specs: tuple[ModelSpec, ...]) -> Mapping[ModelSpec, VersionRef | None]:
        self.num_looks += 1
        if self.is_down:
            raise RegistryUnavailable("the registry is down")
        followed = [ModelSpec(name, alias=alias) for name, alias in self.aliases if alias == self.followed]
        return {spec: self._version(spec) for spec in specs or followed}

    def _version(self, spec: ModelSpec) -> VersionRef | None:
        version = self.aliases.get((spec.name, str(spec.alias))) if spec.version is None else str(spec.version)
        return self.references.get((spec.name, str(version)))

    def download(self, reference: VersionRef, folder: Path) -> Path:
        self.downloads.append(reference)
        if self.is_down or self.is_store_down:
            raise RegistryUnavailable("the store is down")
        source = self.folder(reference.name, reference.version)
        try:
            return Path(shutil.copytree(source, folder / "bundle", symlinks=True))
        except OSError as error:
            raise RegistryUnavailable("the bundle could not be written") from error
