"""The command `forecaster serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--model", "models", multiple=True, help="Serve only this registered model; repeatable. Default: all.")
@click.option("--alias", help="Registry alias to follow.  [default: champion]")
@click.option("--registry-uri", help="MLflow registry.  [default: SQLite in FORECASTER_HOME]")
@click.option("--home", type=click.Path(path_type=Path), help="Working folder.  [default: runs]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8000]")
def serve(models: tuple[str, ...], **given: Any) -> None:
    """Answer forecast requests over HTTP with the registry's champion."""
    import uvicorn

    from service.app import create_app
    from service.settings import Settings
    from service.telemetry import configure_logging

    chosen = {name: value for name, value in {**given, "models": models or None}.items() if value is not None}
    settings = Settings(**chosen)
    configure_logging()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
