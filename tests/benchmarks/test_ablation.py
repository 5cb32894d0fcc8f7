"""The ablation as a job: planned in order, stopped and gone on with, each fit an MLflow run."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from benchmarks.ablation import kinds, measure, planned, run_missing
from benchmarks.ablation_runs import EXPERIMENT, AblationRuns, FitName, Measured
from tests.benchmarks.factories import CONFIG, measured, small_task


def test_the_base_comes_first_then_flag_by_flag_with_all_seeds() -> None:
    names = [(fit.name.flag, fit.name.seed) for fit in planned([small_task()], range(2), ["norm_rms", "skip_none"])]
    assert names == [("base", 0), ("base", 1), ("skip_none", 0), ("skip_none", 1), ("norm_rms", 0), ("norm_rms", 1)]


def test_fits_of_different_configs_or_data_have_different_keys() -> None:
    tasks = [small_task(), small_task(frequency="h")]
    keys = [fit.name.key for fit in planned(tasks, range(2), ["norm_rms"])]
    assert len(set(keys)) == len(keys) == 8


def test_what_data_shows_is_read_from_its_panel() -> None:
    assert kinds(small_task().panel) == set()
    assert kinds(small_task(grouped=True, frequency="h").panel) == {"groups", "timestamps"}


def test_no_fit_begins_after_the_budget(tmp_path: Path) -> None:
    runs = AblationRuns(tmp_path)
    plan = list(planned([small_task()], range(1), ["norm_rms"]))
    assert run_missing(plan, runs, time.monotonic() - 1) == []
    assert all(runs.finished(fit.name) is None for fit in plan)


def test_finished_fits_are_found_again_below_the_run_of_their_data(tmp_path: Path) -> None:
    runs = AblationRuns(tmp_path)
    name, other = FitName("waves", "norm_rms", 0, "k1"), FitName("waves", "head_mae", 1, "k2")
    runs.write(name, CONFIG, measured(0.9))
    runs.write(other, CONFIG, measured(0.8, wql=None))
    again = AblationRuns(tmp_path)
    assert again.finished(name) == measured(0.9)
    assert again.finished(other) == measured(0.8, wql=None)
    assert again.finished(FitName("waves", "norm_rms", 0, "another base")) is None

    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 3
    parents = {run.data.tags.get("mlflow.parentRunId") for run in found}
    assert parents == {None, next(run.info.run_id for run in found if "parent_of" in run.data.tags)}
    settings = next(run.data.params for run in found if run.data.tags.get("flag") == "norm_rms")
    assert (settings["flag"], settings["model.norm"], settings["training.max_steps"]) == ("norm_rms", "layer", "4")


def test_a_fit_that_fails_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, sound = list(planned([small_task()], range(1), ["norm_rms"]))
    too_long = broken.config.model.model_copy(update={"horizon": 70})
    broken = type(broken)(broken.task, broken.name, broken.config.model_copy(update={"model": too_long}))
    runs = AblationRuns(tmp_path)
    (reason,) = run_missing([broken, sound], runs, math.inf)
    assert reason.startswith("waves base seed 0: SeriesError: ")
    assert runs.finished(sound.name) is not None
    assert reason in capsys.readouterr().err


def test_a_fit_is_measured_on_the_test_folds_of_its_task() -> None:
    found = measure(small_task(), CONFIG)
    assert isinstance(found, Measured)
    assert 0 < found.mase < 100
    assert found.wql is not None and found.coverage_80 is not None
    assert found.num_parameters > 0
