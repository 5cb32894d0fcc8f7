"""A database that hangs holds up nobody but those who ask it, and keeps nothing of those who gave up."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.errors import DeadlineExceeded
from service.ledger.asking import Asking
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import valid

NUM_CLIENTS = 40  # more than the threads that an event loop has for whatever blocks


class Request:
    """What a call holds."""

    def answer(self) -> None:
        raise AssertionError("nobody waits for it")


def test_what_is_given_up_before_its_turn_is_not_kept_and_not_done() -> None:
    asking, nobody_waits = Asking("test"), threading.Event()
    requests = [Request() for _ in range(5)]
    kept = [weakref.ref(request) for request in requests]

    async def ask() -> None:
        hanging = [asyncio.create_task(asking.answer(nobody_waits.wait, time.monotonic() + 60)) for _ in range(4)]
        await asyncio.sleep(0.1)
        while requests:
            with pytest.raises(DeadlineExceeded):
                await asking.answer(requests.pop().answer, time.monotonic() + 0.05)
        gc.collect()
        assert [one() for one in kept] == [None] * 5
        nobody_waits.set()
        assert await asyncio.gather(*hanging) == [True] * 4

    asyncio.run(ask())
    asking.close()


def test_a_database_that_hangs_holds_up_neither_large_requests_nor_those_who_let_it_be(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=NUM_CLIENTS) as silent:
        url = f"postgresql+psycopg2://nobody@127.0.0.1:{silent.getsockname()[1]}/nowhere?connect_timeout=30"
        app = app_of(predictor_of(), tmp_path, ledger_url=url)
        with (
            on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False)) as client,
            ThreadPoolExecutor(NUM_CLIENTS) as clients,
        ):
            asking = [clients.submit(skill, client, number) for number in range(NUM_CLIENTS)]
            time.sleep(1)
            body = valid()
            body["series"] = [body["series"][0] | {"id": f"{number}" + "x" * 200} for number in range(300)]
            reply = client.post("/v1/forecast", json=body, timeout=20)
            assert (reply.status_code, len(reply.json()["forecasts"])) == (200, 300)
            assert not any(one.done() for one in asking)
            assert {one.result() for one in asking} == {(504, "deadline-exceeded")}
            silent.close()  # else the service would not end in time, and would then end the process of this test


def skill(client: httpx.Client, number: int) -> tuple[int, str]:
    path = "/v1/skill" if number % 2 else f"/v1/forecasts/{'0' * 32}/outcome"
    reply = client.get(path, headers={"X-Request-Deadline-Ms": "4500"}, timeout=40)
    return reply.status_code, reply.json()["code"]
