"""The trend of a model: one run whose metrics have a point for each version, so that quality over time is a line."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from pipelines.errors import RegistryError
from pipelines.registry import Version
from pipelines.report.compared import RELATIVE_MASE
from pipelines.tracking import registry_errors

STAGE = "trend"
SHOWN = ("mase", RELATIVE_MASE, "wql", "coverage_80")  # a chart each; what else there is, the runs themselves have

log = logging.getLogger("pipelines.report.trend")


def log_trend(client: MlflowClient, run_id: str, version: Version, metrics: Mapping[str, float]) -> None:
    """Adds a point to the trend of the version's model: step = number of the version, at this moment.

    `run_id` is that of the run it comes from, in whose experiment the trend is. An outage of MLflow costs the point,
    not what the point is about.
    """
    now = int(time.time() * 1000)
    points = [Metric(name, float(value), now, version.number) for name, value in metrics.items() if np.isfinite(value)]
    if not points:
        return
    with _outage_survived(version):
        trend_id = trend_run(client, client.get_run(run_id).info.experiment_id, version.name)
        client.log_batch(trend_id, metrics=points)
        client.set_tag(trend_id, "latest_version", str(version.number))


def complete_trend(client: MlflowClient, run_id: str, version: Version) -> None:
    """Adds the point of a version that became champion by a run, if that run was killed before it could."""
    with _outage_survived(version):
        run = client.get_run(run_id)
        trend_id = trend_run(client, run.info.experiment_id, version.name)
        points = client.get_metric_history(trend_id, "promoted")
        if (version.number, 1.0) not in [(point.step, point.value) for point in points]:
            log_trend(client, run_id, version, {"promoted": 1.0, **served_metrics(run.data.metrics)})


def served_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Gives the metrics of whichever is champion under the names that the trend shows them by."""
    return {f"served_{name}": metrics[name] for name in SHOWN if name in metrics}


@contextmanager
def _outage_survived(version: Version) -> Iterator[None]:
    """Logs what MLflow does not take, and goes on behind the block."""
    try:
        with registry_errors():
            yield
    except RegistryError as error:
        log.warning("trend_not_logged", extra={"fields": {"version": str(version), "reason": str(error)}})


def trend_run(client: MlflowClient, experiment_id: str, model: str) -> str:
    """Gives the id of the trend of a model, made where there is none.

    Of several that were made at the same moment the oldest is the trend, for everybody; the others are taken away.
    """
    found = _trends(client, experiment_id, model)
    if not found:
        tags = {"stage": STAGE, "model": model, "mlflow.note.content": _NOTE.format(model=model)}
        made = client.create_run(experiment_id, run_name=f"{model} {STAGE}", tags=tags)
        client.set_terminated(made.info.run_id)
        found = _trends(client, experiment_id, model)
    for younger in found[1:]:
        with suppress(MlflowException):  # somebody else has just taken it away
            client.delete_run(younger.info.run_id)
    return str(found[0].info.run_id)


def _trends(client: MlflowClient, experiment_id: str, model: str) -> list[Run]:
    wanted = f"tags.stage = '{STAGE}' and tags.model = '{model}'"
    found = client.search_runs([experiment_id], wanted, order_by=["attributes.start_time ASC"], max_results=10)
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


_NOTE = """Quality of **{model}** over its versions: the step is the number of the version.

- `mase`, `coverage_80`, ...: a version on the folds that its training kept
- `gain`: share by which its MASE was below the champion's, on the same folds; above 0 is better
- `promoted`: 1 where it became champion, else 0
- `served_mase`, ...: whichever was champion afterwards, on the same folds
"""
