"""Jobs outlast whoever does them: services that are killed, and several that race for the same jobs."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.reliability.serving import MODEL, Serving, forecast_body, serving, write_untrained
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from service.model_spec import ModelSpec
from service.models.cache import BundleCache
from service.models.registry import VersionRef
from tests.ledger.factories import empty
from tests.service.jobs.factories import awaited, result
from tests.stack.servers import postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Thousands of forward passes of one window each: seconds, within which somebody can be killed.
LONG = {"num_windows": 1000, "step_size": 1, "horizon": 2}


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.stack)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    ledger = Ledger(url)
    empty(ledger)
    ledger.close()
    return url


def home_in(folder: Path, name: str) -> Path:
    """A home whose cache holds a version, as if it had served last: no registry is needed."""
    home, bundle = folder / name, folder / f"{name}-bundle"
    reference = VersionRef(MODEL, "1", write_untrained(bundle))
    cache = BundleCache(home)
    shutil.copytree(bundle, cache.folder(reference))
    cache.commit(ModelSpec(MODEL, alias="champion"), reference, None, 1)
    return home


def long_backtest() -> dict[str, Any]:
    return {**forecast_body(2200), **LONG}


def settings(ledger_url: str) -> dict[str, Any]:
    registry = "http://127.0.0.1:1"
    fixed = {"registry_uri": registry, "ledger_share": 0.0, "max_batch": 1, "runtime": "eager", "max_jobs": 100}
    fixed |= {"deadline_seconds": 300}
    return {"ledger_url": ledger_url, **fixed}


@contextmanager
def jobs_in(ledger_url: str) -> Iterator[Jobs]:
    ledger = Ledger(ledger_url)
    yield Jobs(ledger)
    ledger.close()


def client_of(service: Serving) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=300)


def test_a_job_whose_service_is_killed_is_done_by_the_next_one(tmp_path: Path, ledger_url: str) -> None:
    home = home_in(tmp_path, "home")
    with serving(home, **settings(ledger_url)) as service, client_of(service) as client:
        reply = client.post("/v1/jobs/backtest", json=long_backtest())
        assert reply.status_code == 202, reply.text
        awaited(client, reply.json(), lambda job: job["status"] == "running")
        os.killpg(service.pid, signal.SIGKILL)
        service.process.wait()
    with serving(home, **settings(ledger_url)) as service, client_of(service) as client:
        found = result(client, reply.json())
        assert found == client.post("/v1/backtest", json=long_backtest()).content
    with jobs_in(ledger_url) as jobs:
        (job,) = jobs.of_owner("anonymous", 10)
        assert job.attempts == 2


def test_several_services_on_one_ledger_do_each_job_once(tmp_path: Path, ledger_url: str) -> None:
    """One of two workers and one of another home, which is told of the jobs by its own clients alone."""
    homes = [home_in(tmp_path, name) for name in ("one", "other")]
    bodies = [forecast_body(identity=f"s{number}") for number in range(40)]
    with ExitStack() as stack:
        services = [
            stack.enter_context(serving(home, **settings(ledger_url), workers=number))
            for home, number in zip(homes, (2, 1), strict=True)
        ]
        clients = [stack.enter_context(client_of(service)) for service in services]

        def begun(number: int) -> dict[str, Any]:
            reply = clients[number % 2].post("/v1/jobs/forecast", json=bodies[number])
            assert reply.status_code == 202, reply.text
            found: dict[str, Any] = reply.json()
            return found

        with ThreadPoolExecutor(4) as threads:
            jobs = list(threads.map(begun, range(len(bodies))))
        for number, job in enumerate(jobs):
            found = result(clients[(number + 1) % 2], job)
            assert found == clients[0].post("/v1/forecast", json=bodies[number]).content
    with jobs_in(ledger_url) as kept:
        assert [job.attempts for job in kept.of_owner("anonymous", 100)] == [1] * len(bodies)
