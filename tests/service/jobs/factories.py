"""Services that do jobs, and clients that wait for them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from forecaster.predictor import Predictor
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.answers.factories import WAVE, request_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import valid

MANY = [[value + number / 7 for value in WAVE] for number in range(70)]
BODIES: dict[str, dict[str, Any]] = {
    "forecast": valid(series=request_of(*MANY)["series"], intervals=[80]),
    "backtest": request_of(*MANY[:5], num_windows=20, step_size=3, horizon=4),
    "anomalies": request_of(*MANY[:5], level=90),
}


@contextmanager
def serving(home: Path, predictor: Predictor | None = None, **settings: Any) -> Iterator[httpx.Client]:
    """Serves one model as 'waves' in this process; `home` may have served before."""
    shutil.rmtree(home / "bundle", ignore_errors=True)
    app = app_of(predictor or predictor_of(), home, **settings)
    with on_a_socket(app, Settings(home=home, port=0, authentication=False)) as client:
        yield client


def begun(client: httpx.Client, kind: str = "forecast", body: Any = None, **headers: str) -> dict[str, Any]:
    """Begins a job and gives what is told of it."""
    reply = client.post(f"/v1/jobs/{kind}", json=BODIES[kind] if body is None else body, headers=headers)
    assert reply.status_code == 202, reply.text
    found: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/v1/jobs/{found['id']}"
    return found


def looked_up(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """What is told of a job now."""
    reply = client.get(f"/v1/jobs/{job['id']}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def awaited(
    client: httpx.Client,
    job: dict[str, Any],
    is_so: Callable[[dict[str, Any]], bool] = lambda job: job["finished"] is not None,
    seconds: float = 250.0,
) -> dict[str, Any]:
    """Waits until a job is as it should be, by default until it has ended; gives it as it is then."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not is_so(found := looked_up(client, job)):
        assert time.monotonic() < end, found
        pause.wait(0.02)
    return found


def result(client: httpx.Client, job: dict[str, Any]) -> bytes:
    """The result of a job that succeeds."""
    done = awaited(client, job)
    assert (done["status"], done["progress"], done["error"]) == ("succeeded", 1.0, None), done
    reply = client.get(f"/v1/jobs/{job['id']}/result")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    return reply.content
