"""The FastAPI application: wires settings, registry, engine and routes together. All logic lives elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import openapi, problems
from service.access.security import Security
from service.answers.operations import OPERATIONS
from service.app_state import Service
from service.compute.admission import Admission
from service.compute.batcher import Batcher
from service.compute.engine import Engine
from service.dialects.mlflow import scoring as mlflow_scoring
from service.dialects.open_inference import routes as open_inference
from service.dialects.timegpt import jobs as timegpt_jobs
from service.dialects.timegpt import kinds as timegpt_kinds
from service.dialects.timegpt import operations as timegpt_operations
from service.dialects.timegpt import routes as timegpt
from service.dialects.timegpt import tuning as timegpt_tuning
from service.jobs import kinds
from service.jobs.runner import Runner
from service.ledger.adaptions import Adaptions
from service.ledger.desk import Desk
from service.ledger.orders import ADAPTION, LEDGER, SKILL
from service.ledger.recorder import Recorder
from service.ledger.shelf import Shelf
from service.models.finetuned import FinetunedModels
from service.models.models import Models
from service.models.registry import Registry
from service.models.versions import Versions
from service.models.zero_shot import ZeroShot
from service.routes import (
    anomalies,
    backtest,
    explain,
    finetune,
    forecast,
    health,
    jobs,
    ledger,
    models,
    page,
    report,
    webhook,
)
from service.routes.head import HeadAsGet
from service.routes.short_cut import ShortCut
from service.settings import Settings
from service.tables.tables import Tables
from service.telemetry.shadow import Shadow
from service.telemetry.skill_metrics import SkillMetrics
from service.telemetry.telemetry import Telemetry
from service.telemetry.tracing import spans_of

log = logging.getLogger("service.app")

_KINDS_OF_JOBS = {**kinds.KINDS, **timegpt_kinds.KINDS}


def create_app(settings: Settings | None = None, settled: Callable[[], None] = lambda: None) -> FastAPI:
    """Builds the application. It begins to load models when it starts, and is ready once one is verified.

    `settled` is called when it has loaded what there is, and looked at the registry, for the first time.
    """
    settings = settings or Settings()
    service = _service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        attending = asyncio.create_task(service.recorder.attend())
        following = asyncio.create_task(_follow(service, settled))
        working = asyncio.create_task(Runner(app.state.service, _KINDS_OF_JOBS).run())
        try:
            yield
        finally:
            for task in (attending, following, working):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            service.desk.close()
            service.batcher.close()
            service.telemetry.close()
            service.tables.close()
            service.recorder.close()
            service.shelf.close()

    app: FastAPI = FastAPIOffline(
        title="forecaster",
        version="1",
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # a redirect would go where the Host header says
    )
    app.state.service = service
    app.state.security = Security.of(settings)
    app.state.draining = False  # the server's to set
    problems.install(app)
    app.router.routes.extend((forecast.ROUTE, backtest.ROUTE, anomalies.ROUTE))
    for router in (explain.router, ledger.forecasts, ledger.feedback, jobs.router, finetune.router):
        app.include_router(router)
    for router in (models.router, models.admin, health.router, page.router, report.router):
        app.include_router(router)
    for router in (mlflow_scoring.router, open_inference.health, open_inference.router):
        app.include_router(router)
    for router in (timegpt.router, timegpt_tuning.router, timegpt_jobs.router):
        app.include_router(router)
    if app.state.security.takes_deliveries:
        app.include_router(webhook.router)
    openapi.install(app, (*OPERATIONS, *timegpt_operations.OPERATIONS, timegpt_operations.TUNING))
    app.add_middleware(HeadAsGet)  # first, so that telemetry is around it and counts HEAD as such
    app.add_middleware(service.telemetry.middleware)
    app.middleware_stack = ShortCut(app, service.telemetry)
    return app


def _service(settings: Settings) -> Service:
    registry, telemetry = Registry(settings), _telemetry(settings)
    models = Models(settings, registry)
    batcher = Batcher(settings.max_batch, settings.num_threads, telemetry.forecasts.count_discarded)
    engine, desk = Engine(batcher), Desk(settings)
    return Service(
        settings,
        models=models,
        batcher=batcher,
        engine=engine,
        admission=Admission(settings, batcher),
        telemetry=telemetry,
        shadow=Shadow(settings, models, engine, telemetry.forecasts),
        tables=Tables(settings),
        recorder=Recorder(settings, telemetry.forecasts.count_not_kept),
        shelf=Shelf(settings),
        versions=Versions(settings, registry),
        adaptions=Adaptions(settings.home / LEDGER / ADAPTION),
        desk=desk,
        finetuned=FinetunedModels(settings, registry, desk.tuned),
        zero_shot=ZeroShot(settings),
    )


def _telemetry(settings: Settings) -> Telemetry:
    return Telemetry(spans_of(settings), SkillMetrics(settings.home / LEDGER / SKILL))


async def _follow(service: Service, settled: Callable[[], None]) -> None:
    """Loads what served last from the disk and the encoder in the box, then follows the registry, whatever happens."""
    models = service.models
    try:
        await asyncio.to_thread(models.restore)
    except Exception:
        log.exception("restore_failed")
    await asyncio.to_thread(service.zero_shot.load)
    service.telemetry.show_models(service.offered.served)
    await _refresh(service)
    settled()
    while True:
        await service.next_look.wait(models.pause_seconds())
        await _refresh(service)


async def _refresh(service: Service) -> None:
    try:
        await service.refresh()
    except Exception:
        log.exception("refresh_failed")
