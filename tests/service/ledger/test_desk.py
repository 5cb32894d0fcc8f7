"""The desk: a database that does not answer is told apart from a request that does not wait for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import DeadlineExceeded, LedgerDown
from service.ledger import asking
from service.ledger.desk import Desk
from service.settings import Settings
from tests.service.jobs.factories import serving


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(Settings(home=tmp_path))
    yield found
    found.close()


def asked(desk: Desk, seconds: float) -> None:
    """Asks a database that is silent until nobody waits for it any more."""
    nobody_waits = threading.Event()

    async def ask() -> None:
        try:
            await desk.ask(lambda _: nobody_waits.wait(30), time.monotonic() + seconds)
        finally:
            nobody_waits.set()

    asyncio.run(ask())


def test_a_request_that_gives_the_database_no_time_runs_out_of_its_own(desk: Desk) -> None:
    with pytest.raises(DeadlineExceeded, match="the time that the request allows"):
        asked(desk, 0.05)


def test_a_database_that_has_had_its_time_is_down(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_SILENT_SECONDS", 0.04)
    with pytest.raises(LedgerDown, match="did not answer in time"):
        asked(desk, 0.05)


def test_over_http_such_a_request_is_told_that_its_time_is_over(tmp_path: Path) -> None:
    with serving(tmp_path) as client:  # which opens its database for whoever asks first
        reply = client.get("/v1/jobs", headers={"X-Request-Deadline-Ms": "1"})
        assert (reply.status_code, reply.json()["code"]) == (504, "deadline-exceeded")
        paths = client.get("/openapi.json").json()["paths"]
    of_the_desk = ("/v1/jobs", "/v1/finetune", "/v2/finetuned", "/v2/finetune/", "/v2/{task}/", "/v2/async/")
    for path in (path for path in paths if path.startswith(of_the_desk)):
        assert all({"503", "504"} <= set(operation["responses"]) for operation in paths[path].values()), path
