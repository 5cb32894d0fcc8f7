"""Fine-tuning from end to end: ordered over HTTP, trained by a worker, used over HTTP; whoever is killed on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pytest
import sqlalchemy as sa
from mlflow import MlflowClient

from forecaster.ledger.finetune_order import TAG
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import jobs as job_table
from pipelines import tracking
from pipelines.config import Environment
from pipelines.finetune.worker import work
from pipelines.tracking import PARENT_TAG
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings
from tests.conftest import Registry, running_service
from tests.service.jobs.factories import awaited, looked_up
from tests.stack.servers import clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEASON = 24
STEPS = 20 * SEASON


@dataclass(frozen=True)
class Place:
    """A service, its client, and the environment of a worker of the same ledger and registry."""

    client: httpx.Client
    environment: Environment

    @property
    def registry(self) -> MlflowClient:
        return tracking.connect(self.environment)

    def work(self) -> None:
        work(self.environment, once=True)

    def all_runs(self, name: str) -> list[Any]:
        experiment = self.registry.get_experiment_by_name(name)
        return [] if experiment is None else list(self.registry.search_runs([experiment.experiment_id]))

    def runs(self, name: str) -> list[Any]:
        """Those of trainings, without what stands below them."""
        return [run for run in self.all_runs(name) if PARENT_TAG not in run.data.tags]

    def registered(self, name: str) -> list[Any]:
        return list(self.registry.search_registered_models(filter_string=f"name = '{name}'"))


@contextmanager
def placed(registry: Registry, home: Path, **settings: Any) -> Iterator[Place]:
    chosen = Settings(
        home=home,
        registry_uri=registry.uri,
        models=("waves",),
        ledger_share=0.0,
        deadline_seconds=300,  # a busy machine takes its time to load a model
        port=0,
        **{"authentication": False, **settings},
    )
    environment = Environment(home=home, tracking_uri=registry.uri, ledger_url=chosen.resolved_ledger_url())
    with running_service(chosen, {"waves"}) as client:
        yield Place(client, environment)


@pytest.fixture(scope="module")
def place(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(registry, tmp_path_factory.mktemp("home")) as found:
        yield found


def spikes(begin: int, number: int) -> list[float]:
    """A course that no wave has: two sharp peaks a day."""
    hours = np.arange(begin, begin + number)
    course = 10.0 + 6.0 * (hours % SEASON == 7) + 9.0 * (hours % SEASON == 18) + 0.05 * np.sin(hours * 1.7)
    return [float(value) for value in course]


def request_of(**changes: Any) -> dict[str, Any]:
    series = [{"id": "s", "start": "2024-01-01T00:00:00", "target": spikes(0, STEPS)}]
    return {"model": "waves", "frequency": "h", "series": series, "max_steps": 100, "learning_rate": 5e-3, **changes}


def ordered(place: Place, **changes: Any) -> dict[str, Any]:
    reply = place.client.post("/v1/finetune", json=request_of(**changes))
    assert reply.status_code == 202, reply.text
    found: dict[str, Any] = reply.json()
    return found


def result(place: Place, job: dict[str, Any]) -> dict[str, Any]:
    done = looked_up(place.client, job)
    assert done["status"] == "succeeded", done
    found: dict[str, Any] = place.client.get(f"/v1/jobs/{job['id']}/result").json()
    return found


def forecast(client: httpx.Client, model: str, **headers: str) -> httpx.Response:
    body = {
        name: value for name, value in request_of(model=model).items() if name not in ("max_steps", "learning_rate")
    }
    return client.post("/v1/forecast", json=body, headers=headers, timeout=300)


def error_of(reply: httpx.Response) -> float:
    (found,) = reply.json()["forecasts"]
    median = np.array(found["quantiles"]["0.5"])
    return float(np.abs(median - spikes(STEPS, len(median))).mean())


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def test_a_model_is_trained_used_listed_and_deleted(place: Place) -> None:
    client = place.client
    assert forecast(client, "ft-spikes").status_code == 404
    job = ordered(place, name="ft-spikes")
    assert (job["kind"], job["status"]) == ("finetune", "pending")
    assert client.post("/v1/finetune", json=request_of(name="ft-spikes")).json()["code"] == "name-taken"
    place.work()
    found = result(place, job)
    assert (found["model"], found["version"], found["base"]) == ("ft-spikes", "1", "waves/1")
    metrics = found["metrics"]
    assert metrics["finetuned"]["mase"] < metrics["base"]["mase"]
    assert set(metrics) == {"finetuned", "base", "seasonal_naive", "base_may_have_seen_them"}

    tuned, base = forecast(client, "ft-spikes"), forecast(client, "waves")
    assert (tuned.status_code, base.status_code) == (200, 200), tuned.text
    assert (tuned.json()["model"]["name"], tuned.json()["model"]["digest"]) == ("ft-spikes", found["digest"])
    assert error_of(tuned) < 0.7 * error_of(base)
    backtest = client.post("/v1/backtest", json={**_rolled(), "model": "ft-spikes"}, timeout=300)
    assert backtest.status_code == 200, backtest.text
    later = client.post("/v1/jobs/backtest", json={**_rolled(), "model": "ft-spikes"}).json()
    assert awaited(client, later)["status"] == "succeeded"

    (listed,) = client.get("/v1/finetuned").json()["models"]
    assert (listed["name"], listed["base"], listed["max_steps"], listed["frequency"]) == (
        "ft-spikes",
        "waves/1",
        100,
        "h",
    )
    assert listed == client.get("/v1/finetuned/ft-spikes").json()
    assert 0 < listed["num_steps"] <= 100
    assert "ft-spikes" not in {model["name"] for model in client.get("/v1/models").json()["models"]}
    described = client.get("/v1/model?name=ft-spikes").json()
    assert (described["name"], described["version"], described["frequency"]) == ("ft-spikes", "1", "h")

    (run,) = place.runs("ft-spikes")
    assert (run.info.status, run.data.tags["start"], run.data.tags[TAG]) == ("FINISHED", "fine_tune", job["id"])
    (registered,) = place.registered("ft-spikes")
    assert int(registered.aliases["champion"]) == 1

    assert client.delete("/v1/finetuned/ft-spikes").status_code == 204
    assert client.delete("/v1/finetuned/ft-spikes").status_code == 404
    assert forecast(client, "ft-spikes").status_code == 404
    assert client.get("/v1/finetuned").json() == {"models": []}
    place.work()
    assert (place.registered("ft-spikes"), place.all_runs("ft-spikes")) == ([], [])
    again = ordered(place, name="ft-spikes")
    assert client.post(f"/v1/jobs/{again['id']}/cancel").status_code == 200


def _rolled() -> dict[str, Any]:
    body = {name: value for name, value in request_of().items() if name not in ("max_steps", "learning_rate")}
    return {**body, "num_windows": 3}


def test_a_service_that_follows_every_champion_does_not_follow_fine_tuned_ones(
    place: Place, registry: Registry, tmp_path: Path
) -> None:
    job = ordered(place, max_steps=2)
    place.work()
    name = result(place, job)["model"]
    assert name.startswith("ft-")
    everything = Settings(home=tmp_path / "other", registry_uri=registry.uri, authentication=False, port=0)
    with running_service(everything, {"waves", "days"}) as client:
        assert forecast(client, name).status_code == 404  # nor does it know whose it is: it has another ledger


def test_models_are_for_the_key_that_ordered_them(registry: Registry, tmp_path: Path) -> None:
    keys = KeyStore(KeyFiles.of(Settings(home=tmp_path)))  # before the service that is to know them
    scopes = (Scope.FINETUNE, Scope.FORECAST)
    mine, other = ({"Authorization": f"Bearer {keys.create(KeyTerms(scopes)).token}"} for _ in range(2))
    poor = {"Authorization": f"Bearer {keys.create(KeyTerms((Scope.FORECAST,))).token}"}
    heir = {"Authorization": f"Bearer {keys.rotate(keys.records()[0].id).token}"}
    with placed(registry, tmp_path, authentication=True, max_finetuned=1) as place:
        body = request_of(name="ft-owned", max_steps=2)
        client = place.client
        assert client.post("/v1/finetune", json=body, headers=poor).json()["code"] == "missing-scope"
        job = client.post("/v1/finetune", json=body, headers={**mine, "Idempotency-Key": "a"}).json()
        again = client.post("/v1/finetune", json=body, headers={**mine, "Idempotency-Key": "a"}).json()
        assert again["id"] == job["id"]
        refused = client.post("/v1/finetune", json=request_of(name="ft-more"), headers=mine)
        assert (refused.status_code, refused.json()["code"]) == (409, "too-many-models")
        assert client.post("/v1/finetune", json=body, headers=other).json()["code"] == "name-taken"
        place.work()
        assert forecast(client, "ft-owned", **mine).status_code == 200
        assert forecast(client, "ft-owned", **other).json()["code"] == "unknown-model"
        assert client.get("/v1/model?name=ft-owned", headers=mine).json()["name"] == "ft-owned"
        assert client.get("/v1/model?name=ft-owned", headers=other).json()["code"] == "unknown-model"
        assert client.get("/v1/finetuned", headers=other).json() == {"models": []}
        assert client.get("/v1/finetuned/ft-owned", headers=other).status_code == 404
        assert client.delete("/v1/finetuned/ft-owned", headers=other).status_code == 404
        assert client.get(f"/v1/jobs/{job['id']}/result", headers=other).status_code == 404
        assert client.get(f"/v1/jobs/{job['id']}/result", headers=heir).status_code == 200
        assert forecast(client, "ft-owned", **heir).status_code == 200
        assert client.delete("/v1/finetuned/ft-owned", headers=heir).status_code == 204
        assert client.get("/v1/finetuned", headers=mine).json() == {"models": []}


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"name": "spikes"}, 422, "invalid-fields", "name"),
        ({"name": "ft-"}, 422, "invalid-fields", "name"),
        ({"name": "ft-../x"}, 422, "invalid-fields", "name"),
        ({"max_steps": 0}, 422, "invalid-fields", "max_steps"),
        ({"max_steps": 2001}, 422, "invalid-fields", "max_steps"),
        ({"learning_rate": 0.2}, 422, "invalid-fields", "learning_rate"),
        ({"trained_blocks": 2}, 422, "invalid-fields", "trained_blocks"),
        ({"horizon": 3}, 422, "invalid-fields", "horizon"),
        ({"model": "nobody"}, 404, "unknown-model", ""),
        ({"frequency": "D"}, 422, "frequency-mismatch", ""),
        ({"series": [{"id": "s", "start": "2024-01-01", "target": spikes(0, 20)}]}, 422, "too-short", ""),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    place: Place, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    before = place.client.get("/v1/jobs").json()
    reply = place.client.post("/v1/finetune", json=request_of(**changes))
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    if field:
        assert reply.json()["errors"][0]["field"] == field
    assert place.client.get("/v1/jobs").json() == before


def test_series_too_short_to_hold_steps_out_are_trained_on_without_metrics(place: Place) -> None:
    series = [{"id": "s", "start": "2024-01-01T00:00:00", "target": spikes(0, 30)}]
    job = ordered(place, series=series, max_steps=2)
    place.work()
    assert result(place, job)["metrics"] is None


def test_a_name_that_the_registry_has_for_somebody_else_fails_the_job(place: Place) -> None:
    place.registry.create_registered_model("ft-theirs")
    job = ordered(place, name="ft-theirs", max_steps=2)
    place.work()
    failed = looked_up(place.client, job)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "name-taken")
    (registered,) = place.registered("ft-theirs")
    assert registered.latest_versions == []
    place.registry.delete_registered_model("ft-theirs")


@contextmanager
def worker_process(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    variables = clean_environment(
        FORECASTER_HOME=str(place.environment.home),
        MLFLOW_TRACKING_URI=place.environment.tracking_uri,
        FORECASTER_LEDGER_URL=place.environment.ledger_url,
    )
    log = place.environment.home / "worker.log"
    with log.open("ab") as output:
        command = [sys.executable, "-c", "from pipelines.commands.upkeep import work; work()"]
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def in_training(place: Place, job: dict[str, Any]) -> dict[str, Any]:
    """Waits until a job is being trained, and some of it is done."""
    return awaited(place.client, job, lambda job: job["progress"] > 0, seconds=600)


LONG = {"max_steps": 1000, "name": "ft-long"}


@pytest.mark.long
def test_a_worker_that_is_killed_leaves_a_job_that_the_next_one_does(place: Place) -> None:
    job = ordered(place, **LONG)
    with worker_process(place) as process:
        assert in_training(place, job)["status"] == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
    (run,) = place.runs("ft-long")
    assert run.info.status == "RUNNING"
    ledger = Ledger(place.environment.ledger_url)
    with ledger.engine.begin() as connection:  # as if its lease had run out
        connection.execute(sa.update(job_table).values(lease_until=0))
    ledger.close()
    place.work()
    assert result(place, job)["model"] == "ft-long"
    assert sorted(run.info.status for run in place.runs("ft-long")) == ["FINISHED", "KILLED"]
    (registered,) = place.registered("ft-long")
    assert int(registered.aliases["champion"]) == 1
    assert forecast(place.client, "ft-long").status_code == 200


@pytest.mark.long
def test_a_job_that_is_cancelled_ends_and_leaves_nothing(place: Place) -> None:
    job = ordered(place, **{**LONG, "name": "ft-cancelled"})
    with worker_process(place):
        in_training(place, job)
        assert place.client.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "cancelled"
        assert within(300, lambda: [run.info.status for run in place.runs("ft-cancelled")] == ["KILLED"])
        assert within(300, lambda: place.registered("ft-cancelled") == [])
    assert looked_up(place.client, job)["status"] == "cancelled"
    assert place.client.get("/v1/finetuned/ft-cancelled").status_code == 404


@pytest.mark.long
def test_a_worker_that_is_told_to_end_gives_its_job_back(place: Place) -> None:
    job = ordered(place, **{**LONG, "name": "ft-ended"})
    with worker_process(place) as process:
        in_training(place, job)
        process.send_signal(signal.SIGTERM)
        assert process.wait(200) == 0
    assert looked_up(place.client, job)["status"] == "pending"
    assert [run.info.status for run in place.runs("ft-ended")] == ["KILLED"]
    assert mlflow.active_run() is None
