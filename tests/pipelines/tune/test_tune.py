"""A study on a real MLflow store: what its runs hold, what goes on where it was, and what ends it."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import load_dict, load_text
from mlflow.entities import Run

from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, SeriesError
from pipelines import tracking
from pipelines.config import Environment
from pipelines.errors import RegistryError, TuningError
from pipelines.registry import Version
from pipelines.tune import comparison
from pipelines.tune.record import OWNER_TAG, Record
from pipelines.tune.tune import Tuning, summary, tune
from tests.pipelines.tune.factories import RATE, SPACE, config_with, loaded, runs_of

pytestmark = pytest.mark.slow

# The head of counts fails on these waves, which are none.
WITH_FAULTS = {RATE: SPACE[RATE], "model.head": {"kind": "choice", "values": ["quantile", "negative_binomial"]}}


@dataclass(frozen=True)
class Workplace:
    """A home with its store."""

    environment: Environment
    client: MlflowClient

    def tune(self, panel: Panel | None = None, **settings: Any) -> Tuning:
        config = config_with(WITH_FAULTS, **{"seed": 2, **settings})
        return tune(self.environment, self.client, config, loaded(panel))

    def runs(self, parent: str = "", stage: str = "") -> list[Run]:
        return runs_of(self.environment, parent, stage)

    def ids(self, parent: str = "", stage: str = "") -> set[str]:
        return {run.info.run_id for run in self.runs(parent, stage)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    home = tmp_path_factory.mktemp("home")
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    return Workplace(environment, tracking.connect(environment))


@pytest.fixture(scope="module")
def tuning(place: Workplace) -> Tuning:
    """A study that is done; what other tests begin are others, by another seed."""
    return place.tune()


@pytest.fixture(autouse=True)
def connected(place: Workplace) -> None:
    """Points MLflow to the store, wherever another module has pointed it."""
    tracking.connect(place.environment)


def test_trials_are_children_whose_names_sort(place: Workplace, tuning: Tuning) -> None:
    names = [run.info.run_name for run in place.runs(tuning.run_id, "tune-trial")]
    assert sorted(names) == ["trial 0000 (config as it is)", "trial 0001", "trial 0002", "trial 0003"]
    runs = place.runs(tuning.run_id)
    assert len(runs) == 1 + 4 + 2 * 2
    assert {run.info.status for run in runs} == {"FINISHED", "FAILED"}


def test_a_fault_of_one_trial_is_told_and_does_not_end_the_study(place: Workplace, tuning: Tuning) -> None:
    failed = [run for run in place.runs(tuning.run_id) if run.info.status == "FAILED"]
    assert failed
    assert {json.loads(run.data.tags["tune_values"])["model.head"] for run in failed} == {"negative_binomial"}
    assert all("counts" in run.data.tags["error"] for run in failed)
    assert summary(tuning)["trials"] == {"complete": 4 - len(failed), "pruned": 0, "fail": len(failed)}


def test_trials_tell_of_validation_alone_and_register_nothing(place: Workplace, tuning: Tuning) -> None:
    for run in place.runs(tuning.run_id, "tune-trial"):
        assert not [name for name in run.data.metrics if name.startswith("test")]
    (registered,) = place.runs(tuning.run_id, "train")
    own = [version for version in place.client.search_model_versions() if version.run_id in place.ids(tuning.run_id)]
    assert [version.run_id for version in own] == [registered.info.run_id]
    assert tuning.comparison.version == Version("waves", int(own[0].version))
    assert "challenger" in place.client.get_registered_model("waves").aliases
    assert registered.data.tags["tune_trial"] == f"{tuning.best.number:04}"


def test_both_are_trained_with_the_same_seeds_and_tested(place: Workplace, tuning: Tuning) -> None:
    scores = summary(tuning)["scores"]
    assert tuning.best.number != 0, "this study has something to compare"
    assert set(scores) == {"default", "best"}
    assert all(len(scores[role][name]) == 2 for role in scores for name in ("validation_mase", "test_mase", "test_wql"))


def test_the_parent_shows_what_came_of_it(place: Workplace, tuning: Tuning) -> None:
    run = place.client.get_run(tuning.run_id)
    artifacts = {file.path for file in place.client.list_artifacts(tuning.run_id)}
    assert artifacts >= {"trials.json", "comparison.json", "history.png", "best.yaml", "space.json"}
    assert len(load_dict(f"{run.info.artifact_uri}/trials.json")["data"]) == 4
    logged = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert logged == [{"path": name, "type": "table"} for name in ("trials.json", "comparison.json")]
    assert str(tuning.best.values[RATE]) in load_text(f"{run.info.artifact_uri}/best.yaml")
    assert {"best_test_mase", "default_test_mase", "num_complete", "num_fail"} <= set(run.data.metrics)
    assert run.data.tags["best_trial"] == tuning.best.name


def test_the_course_of_a_trial_is_kept_by_step(place: Workplace, tuning: Tuning) -> None:
    assert all(set(trial.course) == {10, 20} for trial in tuning.trials if trial.score is not None)


def test_a_study_that_is_done_is_not_done_again(place: Workplace, tuning: Tuning) -> None:
    before = place.ids()
    repeated = place.tune()
    assert place.ids() == before
    assert summary(repeated) == summary(tuning)
    uri = place.client.get_run(repeated.run_id).info.artifact_uri
    assert len(load_dict(f"{uri}/trials.json")["data"]) == 4, "the table is written anew, not appended to"


def test_a_process_beside_is_refused(place: Workplace, tuning: Tuning) -> None:
    key = place.client.get_run(tuning.run_id).data.tags["tune_study"]
    with (place.environment.home / "tune" / f"{key}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TuningError, match="another process is at work on the study"):
            place.tune()


def test_a_process_elsewhere_that_takes_the_study_is_noticed(place: Workplace, tuning: Tuning) -> None:
    place.client.set_tag(tuning.run_id, OWNER_TAG, "somebody else")
    with pytest.raises(TuningError, match="another process goes on with the study"):
        Record(place.client, tuning.run_id, "this one").refuse_taken()


def test_other_values_in_the_test_folds_move_no_trial(place: Workplace, tuning: Tuning) -> None:
    panel = loaded().panel
    values = panel.values.copy()
    for end in panel.offsets[1:]:
        values[end - 24 : end] = 1e3
    changed = place.tune(replace(panel, values=values), num_trials=1, num_seeds=1)
    assert changed.run_id != tuning.run_id
    assert [trial.score for trial in changed.trials] == [trial.score for trial in tuning.trials[:2]]


def lost(client: MlflowClient, parent: str, number: int) -> str:
    """Leaves a run as a process does that is killed in the middle of a trial."""
    experiment = client.get_run(parent).info.experiment_id
    tags = {"mlflow.parentRunId": parent, "stage": "tune-trial", "tune_trial": f"{number:04}", "tune_values": "{}"}
    return str(client.create_run(experiment, tags=tags).info.run_id)


def test_a_larger_budget_goes_on_and_what_was_lost_is_ended_and_done_again(place: Workplace) -> None:
    first = place.tune(seed=3, num_trials=50, num_seeds=1, time_limit_seconds=1e-9)
    assert [trial.number for trial in first.trials] == [0], "the time was up before another one began"
    before = place.ids(first.run_id, "tune-trial")
    left = [lost(place.client, first.run_id, 1), *(lost(place.client, first.run_id, 2) for _ in range(3))]
    second = place.tune(seed=3, num_trials=2, num_seeds=1)
    assert second.run_id == first.run_id
    assert [trial.number for trial in second.trials] == [0, 1, 2]
    done = place.ids(first.run_id, "tune-trial") - before - set(left)
    assert len(done) == 1, "trial 1 alone is done again: 2 was killed three times"
    assert second.trials[2].reason == "its process was killed 3 times"
    assert {place.client.get_run(run_id).info.status for run_id in left} == {"KILLED"}
    assert "RUNNING" not in {run.info.status for run in place.runs()}


def test_what_a_killed_training_has_registered_is_taken_back_unless_it_is_in_use(
    place: Workplace, tuning: Tuning
) -> None:
    left = {}
    for alias in ("challenger", "champion"):
        run_id = lost(place.client, tuning.run_id, 1)
        version = place.client.create_model_version("waves", f"runs:/{run_id}/model", run_id)
        place.client.set_registered_model_alias("waves", alias, version.version)
        left[alias] = version.version
    place.tune()
    numbers = {version.version for version in place.client.search_model_versions("name = 'waves'")}
    assert left["champion"] in numbers
    assert left["challenger"] not in numbers


def test_a_training_that_was_broken_off_before_its_scores_is_done_again(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_log_found", killed)
    with pytest.raises(KeyboardInterrupt):
        place.tune(seed=5, num_seeds=1, time_limit_seconds=1e-9)
    left = {int(version.version) for version in place.client.search_model_versions("name = 'waves'")}
    monkeypatch.undo()
    again = place.tune(seed=5, num_seeds=1, time_limit_seconds=1e-9)
    assert set(again.comparison.scores["default"]) >= {"validation_mase", "test_mase"}
    now = {int(version.version) for version in place.client.search_model_versions("name = 'waves'")}
    assert now - left == {again.comparison.version.number}
    assert len(left - now) == 1, "what the broken one has registered is taken back"


def killed(*given: object) -> None:
    raise KeyboardInterrupt


def test_a_config_without_a_space_is_refused_before_a_run_begins(place: Workplace) -> None:
    before = place.ids()
    with pytest.raises(ConfigError, match=r"tune\.space is missing"):
        tune(place.environment, place.client, config_with({}), loaded())
    assert place.ids() == before


def test_what_the_config_itself_fails_with_ends_the_study(place: Workplace) -> None:
    before = place.ids()
    with pytest.raises(SeriesError, match="at step"):
        tune(place.environment, place.client, config_with({RATE: SPACE[RATE]}, head="negative_binomial"), loaded())
    assert [run.info.status for run in place.runs() if run.info.run_id not in before] == ["FAILED", "FAILED"]


def test_a_version_that_was_deleted_is_told_of(place: Workplace, tuning: Tuning) -> None:
    version = tuning.comparison.version
    place.client.delete_model_version(version.name, str(version.number))
    with pytest.raises(RegistryError, match="is there no more: delete that run in MLflow, too"):
        place.tune()
