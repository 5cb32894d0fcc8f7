"""The registry as the service sees it: read only. Spec -> version and digest -> a downloaded folder, unverified.

MLflow is imported when the registry is first asked and not before: a service that has its models on disk answers
seconds earlier, and needs no MLflow for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from forecaster.bundle import DIGEST_TAG, VERSION_PATH
from forecaster.errors import ConfigError
from forecaster.ledger.finetune_order import TAG
from service.imports import import_mlflow
from service.model_spec import ModelSpec, is_name
from service.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger("service.models.registry")

ResultT = TypeVar("ResultT")

_SCHEMES = frozenset({"", "file", "http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks"})
# What MLflow answers where model, alias or version does not exist; every other error is an outage.
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


class RegistryUnavailable(Exception):
    """The registry or its artifact store does not answer, or not in time."""


@dataclass(frozen=True)
class VersionRef:
    """One version of a registered model, and the digest its bundle must have."""

    name: str
    version: str
    digest: str


class ReadsRegistry(Protocol):
    """What models are followed with."""

    def look_up(self, specs: tuple[ModelSpec, ...]) -> Mapping[ModelSpec, VersionRef | None]:
        """Gives the version of each spec, None for one that has none; without specs, of every followed model."""
        ...

    def download(self, reference: VersionRef, folder: Path) -> Path:
        """Downloads the bundle of a version into `folder`; gives where it lies."""
        ...


class Registry:
    """Looks up versions in MLflow and downloads their bundles. Raises RegistryUnavailable for any outage."""

    def __init__(self, settings: Settings) -> None:
        # MLflow reads its client limits from the environment only; its defaults block for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(settings.registry_timeout_seconds))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._settings = settings
        self._uri = settings.resolved_registry_uri()
        _check_usable(self._uri, settings)
        self._alias = settings.alias
        self._wanted = settings.models
        self._timeout_seconds = settings.registry_timeout_seconds
        self._cache = settings.home / "cache"
        self._asking: threading.Thread | None = None

    def look_up(self, specs: tuple[ModelSpec, ...]) -> dict[ModelSpec, VersionRef | None]:
        """Gives the version of each spec, None for one that has none; without specs, of every followed model.

        Returns or raises within `registry_timeout_seconds`, however slowly the registry answers. In a home to which
        nobody has written there is nothing: MLflow, asked, would make its tables there, and be broken off with us.
        """
        if self._settings.registry_is_new:
            return dict.fromkeys(specs)
        import_mlflow()  # outside of the time that the registry has to answer in
        return self._in_time(lambda: {spec: self._version(spec) for spec in specs or tuple(self._followed())})

    def download(self, reference: VersionRef, folder: Path) -> Path:
        """Downloads the bundle of a version into `folder`; gives where it lies, unverified."""
        from mlflow.artifacts import download_artifacts

        try:
            uri = f"{self._location(reference)}/{VERSION_PATH}"
            return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=self._uri))
        except Exception as error:
            raise RegistryUnavailable(f"{type(error).__name__} while the bundle was fetched") from error

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _in_time(self, ask: Callable[[], ResultT]) -> ResultT:
        """Asks on a thread of its own and leaves it behind when the time is over; one at a time."""
        if self._asking is not None and self._asking.is_alive():
            raise RegistryUnavailable("the registry has not answered an earlier question yet")
        answer: Future[ResultT] = Future()
        self._asking = threading.Thread(target=_answer, args=(ask, answer), name="registry", daemon=True)
        self._asking.start()
        try:
            return answer.result(self._timeout_seconds)
        except TimeoutError as error:
            raise RegistryUnavailable(f"no answer from the registry in {self._timeout_seconds} s") from error

    def _followed(self) -> Iterator[ModelSpec]:
        """Yields every registered model that has the followed alias, page after page, and belongs to nobody alone."""
        token = None
        while True:
            page = self._client.search_registered_models(page_token=token)
            for model in page:
                if self._alias in model.aliases and is_name(model.name) and TAG not in model.tags:
                    yield ModelSpec(model.name, alias=self._alias)
            token = page.token
            if not token:
                return

    def _version(self, spec: ModelSpec) -> VersionRef | None:
        from mlflow.exceptions import MlflowException

        try:
            found = self._get(spec)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise
        return VersionRef(spec.name, str(found.version), found.tags.get(DIGEST_TAG, ""))

    def _get(self, spec: ModelSpec) -> ModelVersion:
        if spec.version is not None:
            return self._client.get_model_version(spec.name, str(spec.version))
        return self._client.get_model_version_by_alias(spec.name, str(spec.alias))

    def _location(self, reference: VersionRef) -> str:
        """Gives where the artifacts of a version lie.

        A "models:/..." address is resolved here: MLflow would ask the registry that the process has set, not ours.
        """
        source = str(self._client.get_model_version(reference.name, reference.version).source)
        if not source.startswith("models:/"):
            return source
        return str(self._client.get_logged_model(source.removeprefix("models:/")).artifact_location)


def _check_usable(uri: str, settings: Settings) -> None:
    """Raises ConfigError for a registry that cannot be one; MLflow itself is asked later."""
    is_file_as_home = not settings.registry_uri and settings.home.exists() and not settings.home.is_dir()
    if is_file_as_home or urlsplit(uri).scheme.partition("+")[0] not in _SCHEMES:
        raise ConfigError("the registry that registry_uri or home names cannot be used: it is no database and no URL")


def _answer(ask: Callable[[], ResultT], answer: Future[ResultT]) -> None:
    try:
        answer.set_result(ask())
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in there, the registry could not be read
        answer.set_exception(RegistryUnavailable(f"{type(error).__name__} at the registry"))
