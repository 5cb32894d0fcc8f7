"""The write side of the model registry: versions in, aliases pointed. Only pipelines hold this code.

The alias `champion` moves by `pipelines.promotion.champions` alone.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient, register_model
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.pyfunc import log_model
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType

import forecaster
from forecaster.bundle import DIGEST_TAG, VERSION_PATH, Bundle
from forecaster.errors import ConfigError
from pipelines.config import MODEL_NAME
from pipelines.errors import RegistryError
from pipelines.signing import load_signed
from pipelines.tracking import registry_errors

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
APPROVED_BY_TAG = "approved_by"
# What MLflow installs to run a version elsewhere; the forecaster package itself travels in the version.
_REQUIREMENTS = ["click", "numpy", "pandas", "pydantic", "safetensors", "scipy", "torch==2.13.0", "tzdata"]
_REFERENCE = re.compile(rf"(?P<name>{MODEL_NAME.strip('^$')})(?:@(?P<alias>[A-Za-z0-9_-]+)|/(?P<number>[0-9]{{1,9}}))?")


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def register(client: MlflowClient, name: str, folder: Path, bundle: Bundle, tags: dict[str, str]) -> Version:
    """Logs the bundle in `folder` (named 'bundle') as a pyfunc of the active run and registers it as challenger."""
    with registry_errors():
        info = log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": str(folder)},
            code_paths=[str(Path(forecaster.__file__).parent)],
            signature=_signature(bundle),
            pip_requirements=_REQUIREMENTS,
        )
        # One call makes the version and its tags: a process that dies leaves no version that nobody can tell.
        version = register_model(info.model_uri, name, tags={**tags, DIGEST_TAG: bundle.digest})
        number = int(version.version)
        client.set_registered_model_alias(name, CHALLENGER, str(number))
    return Version(name, number)


def describe(client: MlflowClient, version: Version, description: str) -> None:
    """Writes what the page of a version says, in markdown."""
    with registry_errors():
        client.update_model_version(version.name, str(version.number), description)


def find(client: MlflowClient, reference: str) -> Version:
    """Gives the version that 'NAME@alias', 'NAME/7' or 'NAME' (its champion) refers to; ConfigError for other texts."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        message = f"{reference[:80]!r} is none of NAME, NAME@alias, NAME/7 or a bundle folder that exists"
        raise ConfigError(message, code="invalid-reference")
    name, alias, number = found["name"], found["alias"] or CHAMPION, found["number"]
    if number is not None:
        with registry_errors():
            return Version(name, int(client.get_model_version(name, number).version))
    version = find_alias(client, name, alias)
    if version is None:
        raise RegistryError(f"model {name!r} has no version with the alias {alias!r}", code="alias-missing")
    return version


def find_alias(client: MlflowClient, name: str, alias: str) -> Version | None:
    """Gives the version behind an alias, None where model or alias does not exist."""
    return aliases(client, name).get(alias)


def aliases(client: MlflowClient, name: str) -> dict[str, Version]:
    """Gives the version behind each alias of a model; none where the model does not exist."""
    with registry_errors():
        found = client.search_registered_models(filter_string=f"name = '{name}'")
        return {alias: Version(name, int(number)) for model in found for alias, number in model.aliases.items()}


def approve(client: MlflowClient, version: Version, name: str) -> None:
    """Notes who approves of a version, for a policy that wants it."""
    with registry_errors():
        client.set_model_version_tag(version.name, str(version.number), APPROVED_BY_TAG, name[:200])


def approved_by(client: MlflowClient, version: Version) -> str | None:
    """Gives who has approved of a version."""
    with registry_errors():
        tags: dict[str, str] = client.get_model_version(version.name, str(version.number)).tags
    return tags.get(APPROVED_BY_TAG)


def load(version: Version, trusted: tuple[str, ...]) -> Bundle:
    """Downloads the bundle of a version and loads it as `load_signed` does."""
    with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
        return load_signed(_downloaded(version, Path(folder)), trusted)


def download(version: Version, folder: Path) -> None:
    """Downloads the bundle of a version to a folder that is not there yet."""
    with tempfile.TemporaryDirectory(prefix=".forecaster-", dir=folder.parent) as draft:
        _downloaded(version, Path(draft)).rename(folder)


def _downloaded(version: Version, folder: Path) -> Path:
    with registry_errors():
        uri = f"models:/{version.name}/{version.number}/{VERSION_PATH}"
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))


def point(client: MlflowClient, name: str, alias: str, number: int | None) -> None:
    """Points an alias of a model to a version, or takes it away."""
    with registry_errors():
        if number is None:
            client.delete_registered_model_alias(name, alias)
        else:
            client.set_registered_model_alias(name, alias, str(number))


def note(client: MlflowClient, version: Version, tag: str, text: str) -> None:
    """Notes a text at a version."""
    with registry_errors():
        client.set_model_version_tag(version.name, str(version.number), tag, text[:500])


def digest_of(client: MlflowClient, version: Version) -> str | None:
    """Gives the digest of a version's bundle, '' for one of before digests were noted, None where it is not there."""
    with registry_errors():
        try:
            tags: dict[str, str] = client.get_model_version(version.name, str(version.number)).tags
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None
    return tags.get(DIGEST_TAG, "")


def check_name(name: str) -> None:
    """Raises ConfigError for a text that cannot be the name of a model."""
    if not re.fullmatch(MODEL_NAME, name):
        raise ConfigError(f"{name[:80]!r} is no name of a model", code="invalid-reference")


def _signature(bundle: Bundle) -> ModelSignature:
    predictor = bundle.predictor
    # Any kind of id, time and number is let through: `read_panel` knows better what is wrong with one.
    anything = AnyType()  # type: ignore[no-untyped-call]
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(anything, "unique_id", required=False),
        ColSpec(anything, "ds"),
        ColSpec(anything, "y"),
        *(ColSpec(anything, name, required=False) for name in _covariate_columns(bundle)),
    ]
    quantiles = ParamSpec("quantiles", "double", list(predictor.levels), shape=(-1,))
    parameters = ParamSchema([ParamSpec("horizon", "long", predictor.horizon), quantiles])
    return ModelSignature(inputs=Schema(columns), params=parameters)


def _covariate_columns(bundle: Bundle) -> tuple[str, ...]:
    covariates = bundle.config.model.covariates
    return (*covariates.past, *covariates.known, *covariates.static, *covariates.categories)
