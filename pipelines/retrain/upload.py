"""From the spool to MLflow: the run of a slot with all that was logged, and its version, which is registered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from forecaster.bundle import attribute, load_bundle
from forecaster.signature import write_signature
from pipelines import registry
from pipelines.config import Environment, PipelineConfig
from pipelines.registry import CHALLENGER, Version
from pipelines.retrain.spool import SLOT_TAG, Spool, Spooled, artifacts_of
from pipelines.signing import read_signing_key
from pipelines.tracking import PARENT_TAG, experiment_id, registry_errors
from pipelines.train import announce

_BATCH_METRICS, _BATCH_PARAMS = 1000, 100
_FINISHED, _KILLED = "FINISHED", "KILLED"
_ENDED = "training_ended"  # milliseconds since 1970: the run in MLflow ends when its training did


@dataclass(frozen=True)
class Uploaded:
    """Where that what a slot has trained is now."""

    version: Version
    run_id: str


def sweep(client: MlflowClient, model: str, slot_ids: set[str]) -> list[str]:
    """Ends runs of some slots that nobody is at any more, and gives them; whoever calls holds the lock of the model.

    Runs of slots of another ledger, which have other ids, are not touched: their process may live.
    """
    with registry_errors():
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            return []
        running = client.search_runs(
            [experiment.experiment_id],
            filter_string=f"attributes.status = 'RUNNING' and tags.{SLOT_TAG} LIKE '%'",
        )
        left = [run.info.run_id for run in running if run.data.tags.get(SLOT_TAG) in slot_ids]
        for run_id in left:
            client.set_terminated(run_id, _KILLED)
    return left


def upload(
    environment: Environment, client: MlflowClient, config: PipelineConfig, spool: Spool, slot_id: str
) -> Uploaded | None:
    """Uploads what a slot has trained; its version is registered then as challenger, and its run has ended.

    May be called again, wherever it was broken off: what is registered is not registered twice. None where nothing is
    registered, and the spool does not hold it.
    """
    version, spooled = registered(client, config.name, slot_id), spool.found(slot_id)
    if version is None:
        if spooled is None:
            return None
        version = _register(environment, client, config, spool, slot_id, spooled)
    with registry_errors():
        newest = registry.find_alias(client, version.name, CHALLENGER)
        if newest is None or newest.number < version.number:
            client.set_registered_model_alias(version.name, CHALLENGER, str(version.number))
        run_id = str(client.get_model_version(version.name, str(version.number)).run_id)
        if spooled is not None:
            announce(client, run_id, version, spooled.card, spooled.metrics)
        client.set_terminated(run_id, _FINISHED, _ended(client.get_run(run_id)))
    return Uploaded(version, run_id)


def registered(client: MlflowClient, model: str, slot_id: str) -> Version | None:
    """Gives the version of a slot, None where there is none yet."""
    with registry_errors():
        found = client.search_model_versions(f"name = '{model}' and tags.{SLOT_TAG} = '{slot_id}'")
        return Version(model, int(found[0].version)) if found else None


def _register(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    spool: Spool,
    slot_id: str,
    spooled: Spooled,
) -> Version:
    """Makes the run, copies what was logged, and registers the bundle, which names that run from then on."""
    family = spool.runs(slot_id, config.name)
    runs = [run for run in family if PARENT_TAG not in run.data.tags]
    last = next(run for run in runs if run.info.run_id == spooled.run_id)
    with registry_errors():
        made = client.create_run(
            experiment_id(environment, config.name),
            start_time=runs[0].info.start_time,
            tags={**last.data.tags, _ENDED: str(last.info.end_time)},
            run_name=last.info.run_name,
        )
        with mlflow.start_run(run_id=made.info.run_id):
            _copy(spool.client(), client, runs, last, made.info.run_id)
            for child in family:
                if child.data.tags.get(PARENT_TAG) == last.info.run_id:
                    _copy_child(spool.client(), client, child, made)
            folder = spool.bundle(slot_id)
            digest = attribute(folder, made.info.run_id)
            if environment.signing_key_file is not None:
                write_signature(folder, read_signing_key(environment.signing_key_file).sign(digest))
            tags = {**spooled.tags, SLOT_TAG: slot_id}
            return registry.register(client, config.name, folder, load_bundle(folder), tags)


def _ended(run: Run) -> int | None:
    text = run.data.tags.get(_ENDED, "")
    return int(text) if text.isdigit() else None


def _copy(spool: MlflowClient, client: MlflowClient, runs: Sequence[Run], last: Run, run_id: str) -> None:
    """Copies parameters, metrics, inputs and artifacts of the last run, and the curves of those killed before it."""
    parameters = [Param(name, value) for name, value in last.data.params.items()]
    for begin in range(0, len(parameters), _BATCH_PARAMS):
        client.log_batch(run_id, params=parameters[begin : begin + _BATCH_PARAMS])
    metrics = _metrics(spool, runs)
    for begin in range(0, len(metrics), _BATCH_METRICS):
        client.log_batch(run_id, metrics=metrics[begin : begin + _BATCH_METRICS])
    if last.inputs is not None and last.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=last.inputs.dataset_inputs)
    folder = artifacts_of(last)
    if folder.is_dir() and any(folder.iterdir()):
        client.log_artifacts(run_id, str(folder))


def _copy_child(spool: MlflowClient, client: MlflowClient, child: Run, parent: Run) -> None:
    """Makes the same child of a run that was uploaded."""
    made = client.create_run(
        parent.info.experiment_id,
        start_time=child.info.start_time,
        tags={**child.data.tags, PARENT_TAG: parent.info.run_id},
        run_name=child.info.run_name,
    )
    _copy(spool, client, [child], child, made.info.run_id)
    client.set_terminated(made.info.run_id, child.info.status, child.info.end_time)


def _metrics(spool: MlflowClient, runs: Sequence[Run]) -> list[Metric]:
    """Gives one value of each metric and step: what was logged twice, as a training went on, was so last."""
    found: dict[tuple[str, int], Metric] = {}
    for run in runs:
        for name in run.data.metrics:
            for one in spool.get_metric_history(run.info.run_id, name):
                found[name, one.step] = Metric(name, one.value, one.timestamp, one.step)
    return [*found.values()]
