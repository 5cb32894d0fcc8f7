"""The command `forecaster serve`."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecaster.freed_memory import give_back_memory
from forecaster.imports import collector_at_rest, import_torch
from service.imports import import_mlflow

_SWITCH_SECONDS = 0.0005

if TYPE_CHECKING:
    from service.settings import Settings


@click.command()
@click.option("--model", "models", multiple=True, help="Serve only this registered model; repeatable. Default: all.")
@click.option("--alias", help="Registry alias to follow.  [default: champion]")
@click.option("--registry-uri", help="MLflow registry.  [default: SQLite in FORECASTER_HOME]")
@click.option("--home", type=click.Path(path_type=Path), help="Working folder.  [default: runs]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8000]")
@click.option("--no-authentication", "authentication", flag_value=False, default=None, help="Loopback only: no keys.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that answer.  [default: 1]")
def serve(models: tuple[str, ...], **given: Any) -> None:
    """Answer forecast requests over HTTP with the registry's champion."""
    from service.settings import read_settings

    settings = read_settings({**given, "models": models or None})
    _set_threads(settings.num_threads)
    if settings.workers > 1:
        sys.exit(_serve_by_several(settings))
    _serve_alone(settings)


def _serve_alone(settings: Settings) -> None:
    with collector_at_rest():
        import_torch()
        from service.app import create_app
        from service.edge.server import Server
        from service.telemetry.logs import configure_logging

    app = create_app(settings, _settle)
    configure_logging()
    Server(app, settings).run()
    logging.shutdown()
    os._exit(0)  # all is done, and taking the interpreter apart can last for seconds


def _serve_by_several(settings: Settings) -> int:
    """Runs the workers; what they count lies in a folder that is gone afterwards. Gives the exit code."""
    with tempfile.TemporaryDirectory(prefix="forecaster-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read when prometheus_client is imported
        with collector_at_rest():
            import_torch()
            from service.app import create_app
            from service.edge.heartbeat import Tie
            from service.edge.listening import listen
            from service.edge.server import Server
            from service.edge.workers import Workers
            from service.telemetry.logs import configure_logging

            _import_store(settings.resolved_registry_uri())

        def work(listener: socket.socket, tie: Tie) -> None:
            Server(create_app(settings, _settle), settings, tie).run([listener])

        configure_logging()
        return Workers(settings, listen(settings), work).run()


def _import_store(uri: str) -> None:
    """Imports what MLflow would import in each worker when it first opens a database; a server needs none of it."""
    if uri.startswith(("http:", "https:")):
        return
    import_mlflow()
    for name in ("tracking", "model_registry"):
        with suppress(ImportError):  # MLflow says later what is missing
            importlib.import_module(f"mlflow.store.{name}.sqlalchemy_store")


def _settle() -> None:
    """Prepares the interpreter for answering.

    What was imported and loaded until now stays: the collector need not look at its million objects again and again.
    What loading took beyond that goes back to the system.
    And the inference thread, when it comes back from a forward pass, waits for the event loop half a millisecond at
    most, not five.
    """
    gc.collect()
    gc.freeze()
    give_back_memory()
    sys.setswitchinterval(_SWITCH_SECONDS)


def _set_threads(num_threads: int) -> None:
    """Tells OpenMP and BLAS, which read it when they are imported, how many threads there are, and not to spin."""
    os.environ["OMP_NUM_THREADS"] = str(num_threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
