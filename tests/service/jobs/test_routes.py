"""Jobs over HTTP: what they come to is what the route of their kind answers at once, byte for byte."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.ledger.job import Job
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from forecaster.types import WindowBatch
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.access.security import ANYBODY
from service.ledger.desk import Desk
from service.problems import MEDIA_TYPE
from service.settings import Settings
from tests.conftest import Registry, running_service
from tests.service.answers.test_routes import serving as put
from tests.service.factories import app_of, on_a_socket
from tests.service.jobs.factories import BODIES, awaited, begun, looked_up, result, serving
from tests.service.request_bodies import valid
from tests.test_predictor import network

each_kind = pytest.mark.parametrize("kind", BODIES)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("home"), max_queue_seconds=30.0) as client:  # nobody is turned away
        yield client


class Held(Predictor):
    """A predictor that computes one batch for each permit."""

    permits: threading.Semaphore

    @classmethod
    def made(cls) -> Held:
        found = cls(network(), Frequency.parse("h"))
        found.permits = threading.Semaphore(0)
        return found

    def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
        assert self.permits.acquire(timeout=30)
        return super().answer(windows, levels)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[httpx.Client, Held]]:
    """A service whose model waits for permits."""
    app, predictor = app_of(Predictor(network(), Frequency.parse("h")), tmp_path, max_batch=8, max_jobs=2), Held.made()
    put(app, predictor)
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False)) as client:
        yield client, predictor
        predictor.permits.release(1000)


@each_kind
def test_a_job_comes_to_the_bytes_that_are_answered_at_once(service: httpx.Client, kind: str) -> None:
    at_once = service.post(f"/v1/{kind}", json=BODIES[kind])
    assert at_once.status_code == 200, at_once.text
    job = begun(service, kind)
    assert (job["kind"], job["error"]) == (kind, None)
    assert result(service, job) == at_once.content


@each_kind
def test_so_it_does_while_others_ask(service: httpx.Client, kind: str) -> None:
    at_once = service.post(f"/v1/{kind}", json=BODIES[kind]).content
    ended = threading.Event()

    def ask() -> set[int]:
        statuses = set()
        while not ended.is_set():
            statuses.add(service.post("/v1/forecast", json=valid()).status_code)
        return statuses

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        try:
            assert result(service, begun(service, kind)) == at_once
        finally:
            ended.set()
        assert all(one.result() == {200} for one in asking)


def test_a_body_may_be_encoded(service: httpx.Client) -> None:
    body = gzip.compress(json.dumps(BODIES["forecast"]).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = service.post("/v1/jobs/forecast", content=body, headers=headers)
    assert reply.status_code == 202
    assert result(service, reply.json()) == service.post("/v1/forecast", json=BODIES["forecast"]).content


def test_a_forecast_of_a_job_is_kept_as_any_other(tmp_path: Path) -> None:
    with serving(tmp_path, ledger_share=1.0) as client:
        content = result(client, begun(client, body=valid()))
        forecast_id = json.loads(content)["id"]
        assert client.get(f"/v1/forecasts/{forecast_id}").content == content
        again = client.post(f"/v1/forecasts/{forecast_id}/replay")
        assert (again.headers["x-replay"], again.content) == ("same", content)


@each_kind
def test_what_is_wrong_with_a_request_is_said_at_once_as_the_route_says_it(service: httpx.Client, kind: str) -> None:
    for body in (
        {},
        {**BODIES[kind], "frequency": "D"},
        {**BODIES[kind], "unknown": 1},
        {**BODIES[kind], "series": []},
    ):
        at_once, job = (service.post(path, json=body) for path in (f"/v1/{kind}", f"/v1/jobs/{kind}"))
        assert job.status_code == at_once.status_code >= 400
        assert {**job.json(), "request_id": ""} == {**at_once.json(), "request_id": ""}


def test_samples_that_cannot_be_drawn_are_refused_at_once(service: httpx.Client) -> None:
    reply = service.post("/v1/jobs/forecast", json=valid(samples={"number": 3}))
    assert (reply.status_code, reply.json()["code"]) == (422, "no-templates")


def test_a_job_that_fails_has_the_problem_that_the_route_would_answer_with(tmp_path: Path) -> None:
    class Nowhere(Predictor):
        def answer(self, windows: WindowBatch, levels: tuple[float, ...]) -> np.ndarray:
            return np.full((len(windows.context), self.horizon, len(levels)), np.nan)

    app = app_of(Predictor(network(), Frequency.parse("h")), tmp_path)
    put(app, Nowhere(network(), Frequency.parse("h")))
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False)) as client:
        job = awaited(client, begun(client, body=valid()))
        assert (job["status"], job["error"]["code"]) == ("failed", "model-not-finite")
        at_once, later = client.post("/v1/forecast", json=valid()), client.get(f"/v1/jobs/{job['id']}/result")
        assert later.status_code == at_once.status_code == 500
        assert later.headers["content-type"] == at_once.headers["content-type"] == MEDIA_TYPE
        assert {**later.json(), "request_id": ""} == {**at_once.json(), "request_id": ""}
        assert later.json()["request_id"] == later.headers["x-request-id"]


def test_a_job_that_waits_or_runs_has_no_result_and_can_be_cancelled(held: tuple[httpx.Client, Held]) -> None:
    client, predictor = held
    running, waiting = begun(client), begun(client)
    predictor.permits.release()
    half = awaited(client, running, lambda job: job["progress"] > 0)
    assert (half["status"], half["progress"]) == ("running", pytest.approx(8 / 70))
    assert looked_up(client, waiting)["status"] == "pending"
    for job in (running, waiting):
        reply = client.get(f"/v1/jobs/{job['id']}/result")
        assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (409, "job-not-done", "2")
    for job in (waiting, running, running):
        reply = client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    for job in (waiting, running):
        reply = client.get(f"/v1/jobs/{job['id']}/result")
        assert (reply.status_code, reply.json()["code"]) == (409, "job-cancelled")
    last = begun(client)  # whoever was at the cancelled job goes on with this one
    predictor.permits.release(100)
    assert result(client, last)
    assert looked_up(client, running)["status"] == looked_up(client, waiting)["status"] == "cancelled"
    assert client.post(f"/v1/jobs/{last['id']}/cancel").json()["code"] == "job-done"


def test_only_so_many_jobs_of_a_key_wait(held: tuple[httpx.Client, Held]) -> None:
    client, predictor = held
    jobs = [begun(client) for _ in range(2)]
    refused = client.post("/v1/jobs/forecast", json=BODIES["forecast"])
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "too-many-jobs", "30")
    predictor.permits.release(100)
    for job in jobs:
        assert result(client, job)
    assert begun(client)


def test_a_service_that_ends_gives_its_job_back_and_the_next_one_does_it(tmp_path: Path) -> None:
    app, predictor = app_of(Predictor(network(), Frequency.parse("h")), tmp_path, max_batch=8), Held.made()
    put(app, predictor)
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False, drain_seconds=0.1)) as client:
        job = begun(client)
        predictor.permits.release()
        awaited(client, job, lambda job: job["progress"] > 0)
        predictor.permits.release(1)
        threading.Timer(0.5, predictor.permits.release, (1000,)).start()
    with serving(tmp_path, Predictor(network(), Frequency.parse("h")), max_batch=8) as client:
        assert result(client, job) == client.post("/v1/forecast", json=BODIES["forecast"]).content


def test_a_request_that_is_sent_again_is_one_job(service: httpx.Client) -> None:
    first = begun(service, **{"Idempotency-Key": "order 1"})
    again = begun(service, **{"Idempotency-Key": "order 1"})
    assert again["id"] == first["id"]
    assert begun(service, **{"Idempotency-Key": "order 2"})["id"] != first["id"]
    other = service.post("/v1/jobs/forecast", json=valid(), headers={"Idempotency-Key": "order 1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    for key in ("", "x" * 256):
        reply = service.post("/v1/jobs/forecast", json=valid(), headers={"Idempotency-Key": key})
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid-header")


def test_jobs_are_those_of_a_key_and_paid_for_when_they_are_taken_in(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri=registry.uri, port=0, models=("waves",))
    keys = KeyStore(KeyFiles.of(settings))
    cost = 60 * 4
    poor, rich = (
        {"Authorization": f"Bearer {keys.create(KeyTerms((Scope.FORECAST,), rate=rate)).token}"}
        for rate in (Rate(burst=cost, per_minute=1e-6), None)
    )
    (first, _) = keys.records()
    heir = {"Authorization": f"Bearer {keys.rotate(first.id).token}"}
    with running_service(settings, {"waves"}) as client:
        assert client.post("/v1/jobs/forecast", json=valid()).status_code == 401
        job = begun(client, body=valid(), **poor, **{"Idempotency-Key": "a"})
        assert begun(client, body=valid(), **poor, **{"Idempotency-Key": "a"})["id"] == job["id"]
        broke = client.post("/v1/jobs/forecast", json=valid(), headers=poor)
        assert (broke.status_code, broke.json()["code"]) == (429, "rate-limited")
        path = f"/v1/jobs/{job['id']}"
        for method, where in (("GET", path), ("GET", f"{path}/result"), ("POST", f"{path}/cancel")):
            reply = client.request(method, where, headers=rich)
            assert (reply.status_code, reply.json()["code"]) == (404, "unknown-job")
        assert client.get("/v1/jobs", headers=rich).json() == {"jobs": [], "next": None}
        (listed,) = client.get("/v1/jobs", headers=poor).json()["jobs"]
        assert listed["id"] == job["id"]
        assert client.get(path, headers=heir).json()["id"] == job["id"]
        assert begun(client, body=valid(), **heir, **{"Idempotency-Key": "a"})["id"] == job["id"]
        assert client.post("/v1/jobs/forecast", json=valid(), headers=heir).status_code == 202


def test_jobs_are_listed_page_after_page(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        wanted = [begun(client, body=valid())["id"] for _ in range(5)]
        found: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while query.get("before", "") is not None:
            page = client.get("/v1/jobs", params=query).json()
            assert len(page["jobs"]) <= 2
            found += [job["id"] for job in page["jobs"]]
            query["before"] = page["next"]
        assert found == wanted[::-1]


def test_while_the_database_is_down_no_job_is_taken_in_and_forecasts_are_given(tmp_path: Path) -> None:
    with serving(tmp_path, ledger_url="postgresql+psycopg2://nobody@127.0.0.1:1/nowhere?connect_timeout=1") as client:
        reply = client.post("/v1/jobs/forecast", json=valid())
        assert (reply.status_code, reply.json()["code"]) == (503, "ledger-down")
        assert client.get("/v1/jobs").status_code == 503
        assert client.post("/v1/forecast", json=valid()).status_code == 200


def test_where_the_folder_cannot_be_used_no_job_is_taken_in(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("not a folder")
    with serving(tmp_path) as client:
        assert client.post("/v1/jobs/forecast", json=valid()).json()["code"] == "ledger-down"


def test_what_is_not_there_is_said(service: httpx.Client) -> None:
    assert service.get(f"/v1/jobs/{'0' * 32}").json()["code"] == "unknown-job"
    assert service.get("/v1/jobs/xyz").status_code == 404
    assert service.post("/v1/jobs/explain", json=valid()).status_code == 404


@pytest.mark.parametrize(("method", "path", "allowed"), [("POST", "0" * 32, "GET, HEAD"), ("GET", "forecast", "POST")])
def test_a_path_of_a_job_and_one_that_asks_for_one_are_not_taken_for_each_other(
    service: httpx.Client, method: str, path: str, allowed: str
) -> None:
    reply = service.request(method, f"/v1/jobs/{path}")
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)


def test_a_job_that_a_service_elsewhere_has_left_is_done_where_nobody_asks_for_anything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    ledger, desk = Ledger(url), Desk(Settings(home=tmp_path, authentication=False))
    upgrade(ledger)
    left = Jobs(ledger).add(desk.new("forecast", ANYBODY.owner, json.dumps(BODIES["forecast"]).encode(), None), 10)
    assert isinstance(left, Job)
    with serving(tmp_path / "home", ledger_url=url, ledger_share=0.0) as client:
        assert awaited(client, {"id": left.job_id}, seconds=60)["status"] == "succeeded"
    desk.close()
    ledger.close()
