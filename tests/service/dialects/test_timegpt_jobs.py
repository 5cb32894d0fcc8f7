"""Jobs of TimeGPT's dialect over HTTP: what they come to is what the route of their task answers at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings
from tests.service.answers.factories import WAVE
from tests.service.answers.test_routes import serving as put
from tests.service.factories import app_of, on_a_socket
from tests.service.jobs.factories import begun as begun_in_v1
from tests.service.jobs.factories import serving
from tests.service.jobs.test_routes import Held
from tests.service.timegpt_bodies import (
    CROSS_VALIDATION,
    FORECAST,
    ONLINE,
    cross_validation,
    forecast,
    online,
    series_of,
)
from tests.test_predictor import network

PAIR = series_of(WAVE, WAVE[:70])
# The task as its job is named, where it is answered at once, and a body.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "forecast": (FORECAST, forecast(PAIR, level=[80])),
    "cross_validation": (CROSS_VALIDATION, cross_validation(PAIR, n_windows=3, step_size=2)),
    "anomaly_detection": (ONLINE, online(PAIR)),
}
OPEN = ("pending", "running")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("home"), job_seconds=60.0) as client:
        yield client


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[httpx.Client, Held]]:
    """A service whose model waits for permits."""
    app, predictor = app_of(Predictor(network(), Frequency.parse("h")), tmp_path), Held.made()
    put(app, predictor)
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False, drain_seconds=0.1)) as client:
        yield client, predictor
        predictor.permits.release(1000)


def begun(client: httpx.Client, task: str, **changes: Any) -> str:
    """Begins a job, and gives where it is told of."""
    reply = client.post(f"/v2/{task}/async", json=TASKS[task][1] | changes)
    assert reply.status_code == 202, reply.text
    found: dict[str, str] = reply.json()
    assert found.keys() == {"job_id"}
    return f"/v2/{task}/jobs/{found['job_id']}"


def ended(client: httpx.Client, where: str) -> httpx.Response:
    """Waits until a job has ended."""
    end = time.monotonic() + 60
    while (reply := client.get(where)).json()["status"] in OPEN:
        assert time.monotonic() < end, reply.text
        time.sleep(0.02)
    return reply


@pytest.mark.parametrize("task", ["simulate", "explain"])
def test_a_task_that_there_is_not_is_said_to_be_none_of_those_offered(service: httpx.Client, task: str) -> None:
    for reply in (service.post(f"/v2/{task}/async", json={}), service.get(f"/v2/{task}/jobs/{'0' * 32}")):
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-fields")
        assert "this task is not offered here, these are: forecast, cross_validation," in reply.json()["detail"]


@pytest.mark.parametrize("task", TASKS)
def test_a_job_comes_to_the_bytes_that_are_answered_at_once(service: httpx.Client, task: str) -> None:
    path, body = TASKS[task]
    at_once = service.post(path, json=body)
    assert at_once.status_code == 200, at_once.text
    where = begun(service, task)
    reply = ended(service, where)
    found = reply.json()
    assert (found["status"], found["error"]) == ("succeeded", None), found
    assert at_once.content in reply.content
    assert found["result"] == at_once.json()
    job_id = where.rpartition("/")[2]
    assert service.get(f"/v1/jobs/{job_id}/result").content == at_once.content


@pytest.mark.parametrize("task", TASKS)
def test_what_is_wrong_with_a_request_is_said_at_once_as_its_route_says_it(service: httpx.Client, task: str) -> None:
    path, good = TASKS[task]
    for body in ({}, {**good, "freq": "D", "model": "waves"}, {**good, "unknown": 1}, {**good, "h": 0}):
        at_once, job = (service.post(where, json=body) for where in (path, f"/v2/{task}/async"))
        assert job.status_code == at_once.status_code >= 400
        assert {**job.json(), "request_id": ""} == {**at_once.json(), "request_id": ""}


def test_a_job_is_found_under_its_own_task_alone(service: httpx.Client) -> None:
    where = begun(service, "forecast")
    assert ended(service, where).json()["status"] == "succeeded"
    of_v1 = begun_in_v1(service)["id"]
    for path in (where.replace("forecast", "cross_validation"), f"/v2/forecast/jobs/{of_v1}"):
        reply = service.get(path)
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown-job")


def test_a_job_that_takes_longer_than_its_client_allows_fails(held: tuple[httpx.Client, Held]) -> None:
    client, _ = held
    where = begun(client, "cross_validation", job_options={"timeout_seconds": 1})
    assert client.get(where).json()["status"] in OPEN
    failed = ended(client, where).json()
    assert (failed["status"], failed["result"]) == ("failed", None)
    assert (failed["error"]["status"], failed["error"]["code"]) == (504, "deadline-exceeded")


def test_a_job_that_is_not_done_can_be_cancelled(held: tuple[httpx.Client, Held]) -> None:
    client, predictor = held
    where = begun(client, "forecast")
    job_id = where.rpartition("/")[2]
    found = client.get(where).json()
    assert found["status"] in OPEN and found == {**found, "job_id": job_id, "result": None, "error": None}
    reply = client.post(f"/v2/async/jobs/{job_id}/cancel")
    assert (reply.status_code, reply.json()) == (200, {"job_id": job_id, "status": "cancelled"})
    assert client.get(where).json()["status"] == "cancelled"
    predictor.permits.release(1000)
    done = begun(client, "forecast")
    assert ended(client, done).json()["status"] == "succeeded"
    late = client.post(f"/v2/async/jobs/{done.rpartition('/')[2]}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "job-done")  # which the SDK reads as nothing to cancel


def test_a_service_that_ends_gives_its_job_back_and_the_next_one_does_it(tmp_path: Path) -> None:
    app, predictor = app_of(Predictor(network(), Frequency.parse("h")), tmp_path), Held.made()
    put(app, predictor)
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False, drain_seconds=0.1)) as client:
        where = begun(client, "cross_validation")
        threading.Timer(0.5, predictor.permits.release, (1000,)).start()
        client.close()
    with serving(tmp_path, Predictor(network(), Frequency.parse("h"))) as client:
        found = ended(client, where).json()
        path, body = TASKS["cross_validation"]
        assert found["result"] == client.post(path, json=body).json()


def test_jobs_are_those_of_a_key(tmp_path: Path) -> None:
    keys = KeyStore(KeyFiles.of(Settings(home=tmp_path)))
    mine, other = ({"Authorization": f"Bearer {keys.create(KeyTerms((Scope.FORECAST,))).token}"} for _ in range(2))
    with serving(tmp_path, authentication=True) as client:
        path, body = "/v2/forecast/async", TASKS["forecast"][1]
        assert client.post(path, json=body).status_code == 401
        job_id = client.post(path, json=body, headers=mine).json()["job_id"]
        for method, where in (("GET", f"/v2/forecast/jobs/{job_id}"), ("POST", f"/v2/async/jobs/{job_id}/cancel")):
            reply = client.request(method, where, headers=other)
            assert (reply.status_code, reply.json()["code"]) == (404, "unknown-job")
        assert client.get(f"/v2/forecast/jobs/{job_id}", headers=mine).status_code == 200
