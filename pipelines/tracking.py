"""Runs in MLflow: started, filled and always ended; what cannot be reached is a RegistryError, not a traceback."""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from forecaster.arrays import FloatArray
from forecaster.config import Config, ModelConfig
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError
from pipelines.config import Environment
from pipelines.errors import RegistryError
from pipelines.experiment_view import experiment_tags
from pipelines.provenance import run_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


# The client's own default is seven retries with back-off: over four minutes on a dead server.
_CLIENT_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for results, --json above all
}


CONFIG_FILE, PARENT_TAG = "config.yaml", "mlflow.parentRunId"
_CLIENT_LIMITS = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")
_PROBE_SECONDS = (1.0, 3.0)  # to connect, and to answer
_marks: ContextVar[Mapping[str, str]] = ContextVar("marks", default=MappingProxyType({}))
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # begin the URI of a store that is used without a server
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


def connect(environment: Environment) -> MlflowClient:
    """Points MLflow at the tracking server or store; gives its client.

    Raises ConfigError for a working folder or a limit that cannot be used, RegistryError for an address that cannot.
    """
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in _CLIENT_LIMITS:
        if not os.environ[name].isdecimal():
            raise ConfigError(f"{name} must be a whole number, got {os.environ[name]!r}")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    import mlflow
    from mlflow.utils.logging_utils import disable_logging

    disable_logging()  # type: ignore[no-untyped-call]  # its remarks on standard error; faults are raised, not logged
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        environment.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"FORECASTER_HOME {environment.home} cannot be a folder: {error.strerror}") from error
    with registry_errors():
        _refuse_silent_database(environment.tracking_uri)
        mlflow.set_tracking_uri(environment.tracking_uri)
        mlflow.set_registry_uri(environment.tracking_uri)
        return mlflow.MlflowClient()


def _refuse_silent_database(uri: str) -> None:
    """Raises RegistryError where a database server does not answer: MLflow itself would go on trying for minutes."""
    if not uri.startswith(_DATABASES) or uri.startswith("sqlite"):
        return
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri)
        engine.connect().close()
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
        raise RegistryError(f"the database of MLflow cannot be used: {_in_short(error)}") from error


@contextmanager
def run(
    environment: Environment, experiment: str, name: str, tags: Mapping[str, str], again: str | None = None
) -> Iterator[str]:
    """Opens a run, or the one of the id `again` once more, and gives its id.

    It ends FINISHED, or FAILED on an error, or KILLED on an interrupt. Within another run it is a child of that.
    """
    import mlflow

    with registry_errors():
        identity = experiment_id(environment, experiment)
        marks = {**tags, **_marks.get(), **run_tags(environment)}
        opened = mlflow.start_run(run_id=again, experiment_id=identity, run_name=name, nested=True, tags=marks)
    with registry_errors():
        try:
            yield opened.info.run_id
        except BaseException as error:
            with suppress(Exception):  # it is the error that counts
                mlflow.set_tag("error", f"{type(error).__name__}: {_in_short(error)}")
            with suppress(Exception):
                mlflow.end_run(_status_after(error))
            raise
        mlflow.end_run()


def _status_after(error: BaseException) -> str:
    return "FAILED" if isinstance(error, Exception) else "KILLED"


@contextmanager
def marked(tags: Mapping[str, str]) -> Iterator[None]:
    """Has all runs that are opened within the block bear these tags, whoever opens them."""
    token = _marks.set({**_marks.get(), **tags})
    try:
        yield
    finally:
        _marks.reset(token)


def answers(environment: Environment) -> bool:
    """Says within a few seconds whether MLflow is there; the client itself would go on trying.

    A server is asked with the user, token and certificates that MLflow's variables name. One that refuses them is
    there: whoever asks it for more is told why.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    uri = environment.tracking_uri
    try:
        if uri.startswith(("http://", "https://")):
            once = {"max_retries": 0, "raise_on_status": False, "timeout": _PROBE_SECONDS}
            found = http_request(get_default_host_creds(uri), "/health", "GET", **once)  # type: ignore[no-untyped-call]
            return bool(found.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)
        _refuse_silent_database(uri)
    except (MlflowException, RegistryError):
        return False
    return True


@contextmanager
def registry_errors() -> Iterator[None]:
    """Turns MLflow's, its database's and the network's errors into a RegistryError of one line."""
    from mlflow.exceptions import MlflowException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="mlflow")
            yield
    except MlflowException as error:
        request, cannot_connect, _ = str(error).partition(" failed with exception HTTP")
        problem = f"cannot be reached: {_in_short(request)}" if cannot_connect else f"refused: {_in_short(error)}"
        raise RegistryError(f"MLflow {problem}") from error
    except _database_errors() as error:
        raise RegistryError(f"the database of MLflow cannot be used: {_in_short(error)}") from error
    except OSError as error:
        # Of MLflow's store, or of a file that the run itself reads or writes: they cannot be told apart here.
        raise RegistryError(f"MLflow, or a file of the run, cannot be used: {_in_short(error)}") from error


def _database_errors() -> tuple[type[Exception], ...]:
    """Gives what a store without a server raises of a database that is spoiled, full or another program's."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError, CommandError


def _in_short(problem: object) -> str:
    """Gives the first line, shortened, without the user and password of a URL."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return _CREDENTIALS.sub("//***@", lines[0])[:300]


def log_config(config: Config) -> None:
    """Logs every setting as a parameter under its dotted name, and those that were named as a config to train with.

    Neither the database's URL nor what `tune` would try is among them.
    """
    import mlflow

    tree = config.model_dump(mode="json", exclude={"source": {"url"}, "tune": True})
    mlflow.log_params(_shown(_flatten(tree)))
    named = config.model_dump(mode="json", exclude={"source": {"url"}, "tune": True}, exclude_unset=True)
    mlflow.log_text(yaml.safe_dump(named, sort_keys=False, allow_unicode=True), CONFIG_FILE)


def log_resolved(model: ModelConfig, precision: str) -> None:
    """Logs what the data and the hardware have settled as parameters 'resolved.NAME'."""
    import mlflow

    settled = _flatten(model.model_dump(mode="json"), "resolved.")
    mlflow.log_params(_shown({**settled, "resolved.precision": precision}))


def _shown(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value)[:500] for name, value in settings.items()}


def log_scores(run_id: str, metrics: Mapping[str, float], curves: Mapping[str, FloatArray]) -> None:
    """Logs totals as mase ..., and curves over the horizon as mase_by_step ... with step = h, from 1."""
    import mlflow
    from mlflow.entities import Metric

    now = int(datetime.now(UTC).timestamp() * 1000)
    logged = [Metric(name, float(value), now, 0) for name, value in metrics.items() if np.isfinite(value)]
    logged += [
        Metric(name, float(value), now, step)
        for name, curve in curves.items()
        for step, value in enumerate(curve, start=1)
        if np.isfinite(value)
    ]
    client = mlflow.MlflowClient()
    for begin in range(0, len(logged), 1000):
        client.log_batch(run_id, metrics=logged[begin : begin + 1000])


def log_dataset(panel: Panel, name: str, context: str) -> None:
    """Logs by name and fingerprint which data the active run is about, with ten series of it as a sample."""
    import mlflow
    from mlflow.data.pandas_dataset import from_pandas

    sample = panel.select(range(min(len(panel), 10))).to_frame()
    mlflow.log_input(from_pandas(sample, name=name, digest=panel.fingerprint()[-36:]), context=context)


@contextmanager
def child_run(parent_id: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Opens a run below another one, beside the active one, and gives its id. It ends as `run` does."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_run(parent_id).info.experiment_id
    opened = client.create_run(experiment, run_name=name, tags={**tags, **_marks.get(), PARENT_TAG: parent_id})
    try:
        yield opened.info.run_id
    except BaseException as error:
        with suppress(Exception):
            client.set_terminated(opened.info.run_id, _status_after(error))
        raise
    client.set_terminated(opened.info.run_id)


def log_tables(run_id: str, folder: Path) -> None:
    """Logs a folder of files, and tells the UI which of them are tables that it can open: tables/*.json."""
    import mlflow

    client = mlflow.MlflowClient()
    client.log_artifacts(run_id, str(folder))
    tables = [f"{path.parent.name}/{path.name}" for path in sorted(folder.glob("tables/*.json"))]
    shown = [{"path": path, "type": "table"} for path in tables]
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(shown))


def experiment_id(environment: Environment, name: str) -> str:
    """Gives the id of the experiment, created with an artifact folder of ours where no server says where files go."""
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None:
        _complete(client, str(found.experiment_id), found.tags)
        return str(found.experiment_id)
    has_server = not environment.tracking_uri.startswith(_DATABASES)
    location = None if has_server else (environment.home.absolute() / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=location, tags=experiment_tags()))


def _complete(client: MlflowClient, identity: str, tags: Mapping[str, str]) -> None:
    """Gives an experiment that somebody else, or an older version, has made the tags that it lacks."""
    for tag, value in experiment_tags().items():
        if tag not in tags:
            client.set_experiment_tag(identity, tag, value)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Gives the leaves by dotted name; the vocabularies of categories are one leaf, as their names are the data's."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and name != "categories":
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
