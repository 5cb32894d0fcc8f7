"""The registry as the service sees it: read only. Alias -> version -> bundle folder on local disk."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from forecaster.bundle import DIGEST_TAG, VERSION_PATH
from forecaster.errors import ConfigError
from service.settings import Settings

log = logging.getLogger("service.registry")


class RegistryUnavailable(Exception):
    """The registry does not answer, or has no such model, alias or artifact."""


@dataclass(frozen=True)
class VersionRef:
    """One version of a registered model, and the digest its bundle must have."""

    name: str
    version: str
    digest: str


class Registry:
    """Looks up versions and fetches their bundles into a cache on disk."""

    def __init__(self, settings: Settings) -> None:
        # MLflow reads its client limits from the environment only; its defaults block for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(settings.registry_timeout_seconds))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._uri = settings.resolved_registry_uri()
        try:
            self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except (MlflowException, OSError) as error:
            raise ConfigError(
                f"the registry that registry_uri or home names cannot be used: {type(error).__name__}"
            ) from error
        self._alias = settings.alias
        self._wanted = settings.models
        self._cache = settings.home / "cache"

    def versions(self) -> list[VersionRef]:
        """Gives the version behind the alias of each model to serve; models without the alias are left out."""
        try:
            found = {model.name: str(model.aliases[self._alias]) for model in self._registered()}
            references = [self._reference(name, version) for name, version in found.items()]
        except (MlflowException, OSError) as error:
            raise RegistryUnavailable(f"{type(error).__name__} at the registry") from error
        for name in sorted(set(self._wanted) - set(found)):
            log.warning("model_missing", extra={"fields": {"model": name, "alias": self._alias}})
        return references

    def _registered(self) -> Iterator[RegisteredModel]:
        """Yields the registered models to serve that have the alias, page after page."""
        token = None
        while True:
            page = self._client.search_registered_models(page_token=token)
            for model in page:
                if self._alias in model.aliases and (not self._wanted or model.name in self._wanted):
                    yield model
            token = page.token
            if not token:
                return

    def is_cached(self, reference: VersionRef) -> bool:
        """Says whether `fetch` would find the version on this machine."""
        return self._folder(reference).is_dir()

    def fetch(self, reference: VersionRef) -> Path:
        """Gives the folder of the version's bundle, downloaded unless the cache has it; unverified."""
        folder = self._folder(reference)
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=".download-", dir=folder.parent))
        try:
            uri = f"{self._location(reference)}/{VERSION_PATH}"
            Path(download_artifacts(uri, dst_path=str(draft), tracking_uri=self._uri)).rename(folder)
        except (MlflowException, OSError) as error:
            raise RegistryUnavailable(f"bundle of {reference.name} {reference.version} cannot be fetched") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return folder

    def forget(self, reference: VersionRef) -> None:
        """Drops a version from the cache, so that the next fetch downloads it anew."""
        shutil.rmtree(self._folder(reference), ignore_errors=True)

    def _folder(self, reference: VersionRef) -> Path:
        return self._cache / reference.name / f"{reference.version}-{reference.digest[-16:]}"

    def _location(self, reference: VersionRef) -> str:
        """Gives where the artifacts of a version lie.

        A "models:/..." address is resolved here: MLflow would ask the registry that the process has set, not ours.
        """
        source = str(self._client.get_model_version(reference.name, reference.version).source)
        if not source.startswith("models:/"):
            return source
        return str(self._client.get_logged_model(source.removeprefix("models:/")).artifact_location)

    def _reference(self, name: str, version: str) -> VersionRef:
        tags = self._client.get_model_version(name, version).tags
        return VersionRef(name, version, tags.get(DIGEST_TAG, ""))
