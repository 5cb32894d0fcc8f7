"""Logs what was evaluated: the run's own model to the run itself, each other forecaster to a child of it.

    electricity h0024 encoder+ridge promote 3fa9c1d2     mase, coverage_80, ..., mase_by_step; tables; figures
    ├── electricity h0024 champion promote 3fa9c1d2      the same names
    └── electricity h0024 seasonal_naive promote 3fa9c1d2

So a metric means the same wherever it stands, and the UI compares forecasters as it compares runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import RunTag

from forecaster.config import ModelConfig
from forecaster.predictor import Predictor
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.report.attention import draw_attention
from pipelines.report.compared import Compared
from pipelines.report.contests import draw_contest, draw_horizon, draw_over_time
from pipelines.report.diagnostics import draw_calibration, draw_residuals
from pipelines.report.forecasts import draw_forecasts
from pipelines.report.labels import Labels, family
from pipelines.report.tables import role_table, tables, window_table
from pipelines.tracking import child_run, log_scores, log_tables

WINDOWS = "windows.parquet"
_DIGITS = 5  # of a number in a table


@dataclass(frozen=True)
class Reported:
    """Whose run it is, and what is drawn of it."""

    run_id: str
    labels: Labels
    figures: bool = True
    attends: Predictor | None = None  # whose attention is drawn; None: nobody's


def log_evaluations(
    client: MlflowClient, reported: Reported, compared: Compared, families: Mapping[str, str] | None = None
) -> None:
    """Logs metrics, curves, tables and figures of the own role to the run, and those of each other to a child run.

    `families` says of which family the models of other roles are; a baseline is its own.
    """
    own = reported.labels.of_role(compared.own, reported.labels.family)
    tags = [RunTag(name, value) for name, value in {**own.tags, **_evaluation_tags(compared)}.items()]
    client.log_batch(reported.run_id, tags=tags)
    with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
        if reported.figures:
            draw_figures(compared, Path(folder) / "figures", reported.attends)
        if compared.others:
            _write_table(role_table(compared), Path(folder), "roles")
        _log_role(reported.run_id, compared, Path(folder))
    for role in compared.others:
        log_beside(reported, compared.alone(role), (families or {}).get(role))


def log_beside(reported: Reported, compared: Compared, family_of_it: str | None = None) -> None:
    """Logs the own role of `compared` to a child of the run, without figures."""
    labels = reported.labels.of_role(compared.own, family_of_it)
    tags = {**labels.tags, **_evaluation_tags(compared)}
    with (
        child_run(reported.run_id, labels.name, tags) as run_id,
        tempfile.TemporaryDirectory(prefix="forecaster-") as folder,
    ):
        _log_role(run_id, compared, Path(folder))


def draw_figures(compared: Compared, folder: Path, attends: Predictor | None = None) -> None:
    """Draws all figures that these evaluations allow into `folder`."""
    draw_forecasts(compared, folder / "forecasts.png")
    draw_horizon(compared, folder / "error_by_horizon.png")
    draw_calibration(compared, folder / "reliability_and_pit.png")
    draw_residuals(compared, folder / "residuals.png")
    if len(set(compared.first.fold)) > 1:
        draw_over_time(compared, folder / "error_over_time.png")
    rival = next((role for role in ("champion", SEASONAL_NAIVE) if role in compared.others), None)
    if rival is not None:
        draw_contest(compared, rival, folder / f"{compared.own}_over_{rival}.png")
        draw_forecasts(compared, folder / f"forecasts_beside_{rival}.png", beside=rival)
    if attends is not None:
        draw_attention(compared, attends, folder / "attention.png")


def families_of(models: Mapping[str, ModelConfig]) -> dict[str, str]:
    """Gives the family of each role that is a model."""
    return {role: family(config) for role, config in models.items()}


def _evaluation_tags(compared: Compared) -> dict[str, str]:
    return {"evaluated_on": compared.evaluated_on, "windows": compared.windows_digest}


def _log_role(run_id: str, compared: Compared, folder: Path) -> None:
    """Logs metrics, curves and tables of the own role, with what is in `folder` already."""
    scores = compared.first.scores
    log_scores(run_id, compared.metrics(compared.own), scores.as_metrics_by_step())
    for name, table in tables(compared).items():
        _write_table(table, folder, name)
    window_table(compared).to_parquet(folder / WINDOWS, index=False)
    log_tables(run_id, folder)


def _write_table(table: pd.DataFrame, folder: Path, name: str) -> None:
    (folder / "tables").mkdir(exist_ok=True)
    rounded = table.apply(lambda column: _significant(column) if column.dtype.kind == "f" else column)
    rounded.to_json(folder / "tables" / f"{name}.json", orient="split", index=False, date_format="iso")


def _significant(column: pd.Series) -> pd.Series:
    """Gives numbers as people read them, to _DIGITS significant digits; `windows.parquet` has all."""
    return column.map(lambda value: float(f"{value:.{_DIGITS}g}"))
