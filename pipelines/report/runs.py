"""Runs of MLflow that hold an evaluation, read back: what a comparison is made from."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.arrays import FloatArray
from pipelines import registry
from pipelines.errors import ComparisonError
from pipelines.report.evaluations import WINDOWS
from pipelines.tracking import registry_errors

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_CURVES = ("mase_by_step", "coverage_80_by_step")
_FORECASTS = "figures/forecasts.png"
_KEYS = ("series", "fold", "forecast_from", "stretch")


@dataclass(frozen=True)
class EvaluatedRun:
    """One run, with the losses of its windows."""

    run_id: str
    name: str
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, FloatArray]  # [H] by name
    windows: pd.DataFrame  # series, fold, forecast_from, stretch of time, and a column for each loss
    forecasts: bytes | None  # PNG of typical and worst windows, where the run has it

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses that are known window by window."""
        return tuple(name for name in self.windows.columns if name not in _KEYS)


def read_runs(client: MlflowClient, references: Sequence[str]) -> tuple[EvaluatedRun, ...]:
    """Reads runs by their id, and the training runs of versions by 'NAME/7', 'NAME@alias' or 'NAME'.

    ComparisonError (no-evaluation, not-comparable) for a run without an evaluation, a run named twice, and for runs
    that were not evaluated on the same windows; RegistryError for what is not there.
    """
    with registry_errors():
        runs = [client.get_run(_run_id(client, reference)) for reference in references]
    _refuse_repeated(runs)
    for run, reference in zip(runs, references, strict=True):
        if "windows" not in run.data.tags:
            message = f"run {reference} holds no evaluation: name one of train, backtest or promote, or a child of one"
            raise ComparisonError(message, code="no-evaluation")
    _refuse_other_windows(runs)
    with registry_errors():
        found = tuple(_read(client, run) for run in runs)
    _refuse_other_rows(found)
    return found


def _run_id(client: MlflowClient, reference: str) -> str:
    if _RUN_ID.fullmatch(reference):
        return reference
    version = registry.find(client, reference)
    return str(client.get_model_version(version.name, str(version.number)).run_id)


def _refuse_repeated(runs: Sequence[Run]) -> None:
    ids = [run.info.run_id for run in runs]
    repeated = next((run_id for run_id in ids if ids.count(run_id) > 1), None)
    if repeated is not None:
        raise ComparisonError(f"run {repeated} is named twice", code="not-comparable")


def _refuse_other_windows(runs: Sequence[Run]) -> None:
    """Raises ComparisonError where a run was evaluated on other windows than the first; says what differs."""
    first = runs[0]
    for run in runs[1:]:
        if run.data.tags["windows"] == first.data.tags["windows"]:
            continue
        differs = next(
            (
                f"{name} is {run.data.tags.get(name)}, not {first.data.tags.get(name)}"
                for name in ("data", "frequency", "horizon", "evaluated_on", "data_fingerprint")
                if run.data.tags.get(name) != first.data.tags.get(name)
            ),
            "its folds are others, or their gap",
        )
        message = f"run {run.info.run_id} was not evaluated on the windows of run {first.info.run_id}: {differs}"
        way_out = "`forecaster backtest` evaluates a version on any data"
        raise ComparisonError(f"{message}; {way_out}", code="not-comparable")


def _refuse_other_rows(runs: Sequence[EvaluatedRun]) -> None:
    keys = ["series", "fold", "forecast_from"]
    for run in runs[1:]:
        if not run.windows[keys].equals(runs[0].windows[keys]):
            message = f"run {run.run_id} keeps the losses of other windows than run {runs[0].run_id}"
            raise ComparisonError(message, code="not-comparable")


def _read(client: MlflowClient, run: Run) -> EvaluatedRun:
    run_id = str(run.info.run_id)
    with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
        windows = pd.read_parquet(client.download_artifacts(run_id, WINDOWS, folder))
        windows = windows if "stretch" in windows else windows.assign(stretch=windows["fold"])  # of an older version
        has_forecasts = any(file.path == _FORECASTS for file in client.list_artifacts(run_id, "figures"))
        path = client.download_artifacts(run_id, _FORECASTS, folder) if has_forecasts else None
        forecasts = None if path is None else Path(path).read_bytes()
    return EvaluatedRun(
        run_id,
        str(run.info.run_name),
        dict(run.data.tags),
        dict(run.data.metrics),
        {name: _curve(client, run_id, name) for name in _CURVES if name in run.data.metrics},
        windows,
        forecasts,
    )


def _curve(client: MlflowClient, run_id: str, name: str) -> FloatArray:
    """Gives a curve over the horizon, NaN at steps that could not be scored."""
    points = {metric.step: metric.value for metric in client.get_metric_history(run_id, name)}
    return np.array([points.get(step, np.nan) for step in range(1, max(points) + 1)])
