"""Fine-tuned models in the registry: made for one job, and taken out again."""

from __future__ import annotations

from mlflow import MlflowClient

from forecaster.ledger.finetune_order import TAG
from forecaster.ledger.finetuned import Forgotten
from pipelines.errors import NameTakenError
from pipelines.tracking import registry_errors

_RUNNING, _KILLED = "RUNNING", "KILLED"


def make_room(client: MlflowClient, name: str, job_id: str) -> None:
    """Makes an empty registered model for a job, in the place of what an earlier attempt at it has left.

    Raises NameTakenError where somebody else has a model of this name.
    """
    with registry_errors():
        _end_runs(client, name, job_id)
        job = _job_of(client, name)
        if job is not None and job != job_id:
            raise NameTakenError(f"the registry has a model {name!r} already, which is not of this job")
        if job is not None:
            client.delete_registered_model(name)
        client.create_registered_model(name, tags={TAG: job_id})


def take_out(client: MlflowClient, model: Forgotten) -> None:
    """Takes a model out of the registry, with its runs if it was one; what is not of its job stays."""
    with registry_errors():
        if _job_of(client, model.name) == model.job_id:
            client.delete_registered_model(model.name)
        for run_id in _end_runs(client, model.name, model.job_id):
            if model.was_there:
                client.delete_run(run_id)


def _job_of(client: MlflowClient, name: str) -> str | None:
    """Gives the job that a registered model is of, '' for one that is of none, None where there is no such model."""
    found = client.search_registered_models(filter_string=f"name = '{name}'")
    return str(found[0].tags.get(TAG, "")) if found else None


def _end_runs(client: MlflowClient, name: str, job_id: str) -> list[str]:
    """Ends the runs of a job whose worker is gone, and gives all of its runs."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    runs = client.search_runs([experiment.experiment_id], filter_string=f"tags.`{TAG}` = '{job_id}'")
    for run in runs:
        if run.info.status == _RUNNING:
            client.set_terminated(run.info.run_id, _KILLED)
    return [run.info.run_id for run in runs]
