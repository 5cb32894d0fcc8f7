"""What an analyst finds in the runs of a comparison, in a real MLflow store."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from forecaster.data.reading import read_panel
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import PipelineConfig
from pipelines.promotion.promote import promote
from pipelines.report.evaluations import WINDOWS, Reported, draw_figures, log_evaluations
from tests.conftest import TINY, noisy_waves
from tests.pipelines.report.factories import HORIZON, LABELS, SEASON, Shifted, compared_of
from tests.pipelines.stores import Store

ROLES = {"challenger": Shifted((3.0,)), "champion": Shifted((4.0,)), SEASONAL_NAIVE: Shifted((24.0,))}
TABLES = {"series", "worst_series", "worst_windows", "segments", "folds", "steps"}


@pytest.fixture(scope="module")
def logged(store: Store) -> str:
    run_id = store.run()
    compared = compared_of(ROLES, segments={"first": "s0"})
    log_evaluations(store.client, Reported(run_id, LABELS, False), compared, {"champion": "encoder+ridge"})
    return run_id


def test_every_role_has_the_same_names_of_metrics_in_a_run_of_its_own(store: Store, logged: str) -> None:
    children = store.children(logged)
    assert set(children) == {"champion", SEASONAL_NAIVE}
    runs = {"challenger": logged, **children}
    metrics = {role: store.client.get_run(run_id).data.metrics for role, run_id in runs.items()}
    assert set(metrics["challenger"]) == set(metrics["champion"]) == set(metrics[SEASONAL_NAIVE])
    assert {"mase", "smape", "wql", "coverage_80", "relative_mase", "mase_by_step"} <= set(metrics["challenger"])
    found = {role: named["mase"] for role, named in metrics.items()}
    assert found == {role: pytest.approx(ROLES[role].shifts[0] / SEASON) for role in ROLES}
    assert metrics["challenger"]["relative_mase"] == pytest.approx(3 / 24)


def test_curves_have_a_point_for_each_step_of_the_horizon(store: Store, logged: str) -> None:
    for run_id in (logged, *store.children(logged).values()):
        curve = store.client.get_metric_history(run_id, "mase_by_step")
        assert [point.step for point in curve] == list(range(1, HORIZON + 1))


def test_tags_say_what_a_run_is_about(store: Store, logged: str) -> None:
    children = store.children(logged)
    own, champion, naive = (
        store.client.get_run(run_id) for run_id in (logged, children["champion"], children[SEASONAL_NAIVE])
    )
    assert own.data.tags["role"] == "challenger"
    assert champion.info.run_name == "ramps h0006 champion backtest abababab"
    assert [run.data.tags["family"] for run in (own, champion, naive)] == ["encoder", "encoder+ridge", SEASONAL_NAIVE]
    for name in ("data", "horizon", "stage", "data_fingerprint", "windows", "evaluated_on"):
        assert len({run.data.tags[name] for run in (own, champion, naive)}) == 1, name
    assert {run.info.status for run in (champion, naive)} == {"FINISHED"}


def test_the_ui_is_told_of_tables_that_it_can_open(store: Store, logged: str) -> None:
    told = json.loads(store.client.get_run(logged).data.tags["mlflow.loggedArtifacts"])
    assert {Path(table["path"]).stem for table in told} == TABLES | {"roles"}
    child = store.children(logged)["champion"]
    told = json.loads(store.client.get_run(child).data.tags["mlflow.loggedArtifacts"])
    assert {Path(table["path"]).stem for table in told} == TABLES
    for table in told:
        opened = store.client.load_table(store.experiment, table["path"], [child])
        assert len(opened) > 0
        assert "mase" in opened.columns


def test_the_losses_of_windows_are_kept_for_comparisons(store: Store, logged: str, tmp_path: Path) -> None:
    kept = pd.read_parquet(store.client.download_artifacts(logged, WINDOWS, str(tmp_path)))
    assert len(kept) == 6
    assert list(kept.columns)[:4] == ["series", "fold", "forecast_from", "mase"]


def test_figures_are_those_that_the_roles_allow(tmp_path: Path) -> None:
    draw_figures(compared_of({"model": ROLES["challenger"]}, num_folds=1), tmp_path / "alone")
    alone = {path.stem for path in (tmp_path / "alone").iterdir()}
    assert alone == {"forecasts", "error_by_horizon", "reliability_and_pit", "residuals"}


@pytest.mark.slow
def test_a_comparison_of_versions_ends_in_runs_figures_and_a_point_of_the_trend(store: Store) -> None:
    config = PipelineConfig(name="waves", **{**TINY, "figures": True})
    panel = read_panel(noisy_waves()).panel
    store.client.set_registered_model_alias("waves", "challenger", "1")
    store.client.delete_registered_model_alias("waves", "champion")
    outcome = promote(store.environment, store.client, config, panel)
    assert outcome.decision.promote
    experiment = store.client.get_experiment_by_name("waves")
    wanted = "tags.stage = 'promote' and tags.role = 'challenger'"
    run = store.client.search_runs([experiment.experiment_id], wanted)[0]
    assert run.data.metrics["mase"] == pytest.approx(outcome.evaluations["challenger"].scores.mase)
    assert set(store.children(run.info.run_id)) == {SEASONAL_NAIVE}
    figures = {Path(file.path).stem for file in store.client.list_artifacts(run.info.run_id, "figures")}
    assert {"forecasts", "challenger_over_seasonal_naive", "error_over_time", "residuals"} <= figures
    (trend,) = store.client.search_runs([experiment.experiment_id], "tags.stage = 'trend'")
    assert trend.data.metrics["promoted"] == 1
    assert trend.data.metrics["served_mase"] == run.data.metrics["mase"]
