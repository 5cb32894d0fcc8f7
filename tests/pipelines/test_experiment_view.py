"""The view of analysts: each experiment has it, and shows no runs that would mislead."""

from __future__ import annotations

import json

from pipelines import tracking
from pipelines.experiment_view import VIEW, experiment_tags
from tests.pipelines.stores import Store


def test_an_experiment_has_the_view_of_analysts_whoever_made_it(store: Store) -> None:
    made = store.client.get_experiment_by_name("waves")
    assert {name: made.tags[name] for name in experiment_tags()} == experiment_tags()
    state = json.loads(made.tags[f"mlflow.sharedViewState.{VIEW}"])
    assert state["orderByKey"] in state["selectedColumns"]
    foreign = store.client.create_experiment("foreign")
    with tracking.run(store.environment, "foreign", "a run", {}):
        pass
    assert experiment_tags().items() <= store.client.get_experiment(foreign).tags.items()


def test_a_view_that_somebody_has_changed_stays_theirs(store: Store) -> None:
    own = store.client.create_experiment("own", tags={f"mlflow.sharedViewState.{VIEW}": "{}"})
    with tracking.run(store.environment, "own", "a run", {}):
        pass
    assert store.client.get_experiment(own).tags[f"mlflow.sharedViewState.{VIEW}"] == "{}"


def test_runs_that_would_mislead_are_not_in_the_view(store: Store) -> None:
    experiment = store.client.get_experiment_by_name("waves")
    state = json.loads(experiment_tags()[f"mlflow.sharedViewState.{VIEW}"])
    shown = store.client.search_runs([experiment.experiment_id], state["searchFilter"])
    roles = {(run.data.tags["stage"], run.data.tags["role"]) for run in shown}
    assert {("train", "model"), ("train", "seasonal_naive")} <= roles
    assert not {role for _, role in roles} & {"validation", "uncalibrated"}
