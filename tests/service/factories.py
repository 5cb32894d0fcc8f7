"""An application that serves predictors made for a test, without a registry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from fastapi import FastAPI

from forecaster.bundle import load_bundle, save_bundle
from forecaster.predictor import Predictor
from service.app import create_app
from service.edge.server import Server
from service.settings import Settings
from service.telemetry.shadow import Shadow
from tests.pipelines.factories import FACTS
from tests.service.fake_models import OneModel

T = TypeVar("T")

# There is no registry, and who ends waits until that is found out.
_USUAL: dict[str, Any] = {"authentication": False, "ledger_share": 0.0, "registry_timeout_seconds": 1}


def app_of(predictor: Predictor, home: Path, **settings: Any) -> FastAPI:
    """Gives an application that serves one predictor as version 1 of 'waves'."""
    folder = home / "bundle"
    save_bundle(folder, predictor, FACTS.model_copy(update={"frequency": predictor.frequency.alias}))
    chosen = Settings(home=home, registry_uri="http://127.0.0.1:1", **{**_USUAL, **settings})
    app = create_app(chosen)
    service, models = app.state.service, OneModel(load_bundle(folder))
    shadow = Shadow(chosen, models, service.engine, service.telemetry.forecasts)  # type: ignore[arg-type]
    app.state.service = replace(service, models=models, shadow=shadow)
    return app


def on_a_socket(app: FastAPI, settings: Settings) -> AbstractContextManager[httpx.Client]:
    """Serves an application in a thread until the end of the block; gives a client of it."""
    return running(Server(app, settings))


@contextmanager
def running(server: uvicorn.Server) -> Iterator[httpx.Client]:
    """Runs a server in a thread until the end of the block; gives a client of it."""
    pause = threading.Event()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            pause.wait(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        # Nothing here needs the certificates of authorities, which take 40 ms to read.
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=30, verify=False) as client:  # noqa: S501
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def asking(app: FastAPI, ask: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Gives what a client of the application finds, and closes the application."""

    async def run() -> T:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await ask(client)

    try:
        return asyncio.run(run())
    finally:
        app.state.service.batcher.close()
        app.state.service.tables.close()
        app.state.service.recorder.close()


def post(app: FastAPI, body: Any, **headers: str) -> httpx.Response:
    """Posts one forecast request to the application."""
    (reply,) = post_each(app, [body], **headers)
    return reply


def post_each(app: FastAPI, bodies: Iterable[Any], **headers: str) -> list[httpx.Response]:
    """Posts forecast requests to the application, one after the other."""

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post("/v1/forecast", json=body, headers=headers) for body in bodies]

    return asking(app, ask)
