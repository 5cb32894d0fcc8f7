"""The FastAPI application: wires settings, registry, engine and routes together. All logic lives elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import errors, openapi
from service.engine import Engine
from service.registry import Registry
from service.routes import forecast, health, models
from service.settings import Settings
from service.telemetry import Telemetry

log = logging.getLogger("service.app")


@dataclass(frozen=True)
class Service:
    """What a route needs; reached through `request.app.state.service`."""

    settings: Settings
    engine: Engine
    telemetry: Telemetry


def create_app(settings: Settings | None = None) -> FastAPI:
    """Builds the application. It begins to load models when it starts, and is ready once one is verified."""
    settings = settings or Settings()
    service = Service(settings, Engine(Registry(settings), settings.num_threads), Telemetry())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(_follow(service))
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            service.engine.close()

    app: FastAPI = FastAPIOffline(
        title="forecaster",
        version="1",
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # a redirect would go where the Host header says
    )
    app.state.service = service
    app.state.draining = False  # the server's to set
    errors.install(app)
    for module in (forecast, models, health):
        app.include_router(module.router)
    openapi.install(app)
    app.add_middleware(service.telemetry.middleware)
    return app


async def _follow(service: Service) -> None:
    """Looks the aliases up at once and then every `refresh_seconds`, whatever happens to the registry."""
    while True:
        try:
            await asyncio.to_thread(service.engine.refresh)
        except Exception:
            log.exception("refresh_failed")
        service.telemetry.show_models(service.engine.models)
        await asyncio.sleep(service.settings.refresh_seconds)
