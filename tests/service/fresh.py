"""A service with the encoder in the box whose registry, in memory, is empty at first; and what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from forecaster.data.panel import Panel
from forecaster.pretrained import encoder_for
from service.app import create_app
from service.models.models import Models
from service.settings import Settings
from service.telemetry.shadow import Shadow
from tests.factories import sine_panel
from tests.service.factories import on_a_socket
from tests.service.fakes import FakeRegistry

LEVELS = [0.1, 0.5, 0.9]


def settings_of(home: Path, **given: Any) -> Settings:
    """Gives settings that name a registry which nothing is known of before it answers."""
    usual: dict[str, Any] = {"authentication": False, "ledger_share": 0.0, "port": 0, "registry_timeout_seconds": 1}
    return Settings(home=home, registry_uri="http://127.0.0.1:1", **{**usual, **given})


def fresh_app(home: Path, registry: FakeRegistry, **given: Any) -> FastAPI:
    """Gives an application whose encoder is verified, and whose registry has been looked at once."""
    settings = settings_of(home, **given)
    app = create_app(settings)
    service, models = app.state.service, Models(settings, registry)
    shadow = Shadow(settings, models, service.engine, service.telemetry.forecasts)
    app.state.service = replace(service, models=models, shadow=shadow)
    service.zero_shot.load()
    models.refresh()
    return app


@contextmanager
def fresh_client(home: Path, **given: Any) -> Iterator[httpx.Client]:
    """Serves such an application, with a ledger, until the end of the block."""
    app = fresh_app(home / "home", FakeRegistry(home / "registry"), ledger_share=1.0, max_queue_seconds=30.0, **given)
    with on_a_socket(app, app.state.service.settings) as client:
        yield client


def request_of(panel: Panel, **options: Any) -> dict[str, Any]:
    """A request for the series of a panel, from their starts on, that names its frequency and no model."""
    series = [
        {"id": name, "start": _written(panel.starts[at]), "target": _numbers(panel.target(at))}
        for at, name in enumerate(panel.series_ids)
    ]
    return {"series": series, "frequency": panel.axis.frequency.alias, "quantiles": LEVELS, **options}


def stamped(panel: Panel, **options: Any) -> dict[str, Any]:
    """The same request by timestamps, those of missing values left out; it does not name the frequency."""
    body = request_of(panel, **options)
    del body["frequency"]
    for at, series in enumerate(body["series"]):
        stamps = panel.axis.frequency.range(panel.starts[at], len(series["target"]))
        rows = [(stamp, value) for stamp, value in zip(stamps, series["target"], strict=True) if value is not None]
        del series["start"]
        series["timestamps"] = [_written(stamp) for stamp, _ in rows]
        series["target"] = [value for _, value in rows]
    return body


def _written(time: Any) -> str | int:
    return int(time) if isinstance(time, np.int64) else str(time.astype("datetime64[s]"))


def _numbers(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def of_library(panel: Panel, horizon: int = 64, levels: list[float] | None = None, **options: Any) -> Any:
    """Forecasts a panel without a server, as the encoder does for series of this frequency and length: [S Q H]."""
    predictor = encoder_for(panel.axis.frequency, int(panel.lengths.max())).predictor
    return predictor.predict(panel, horizon, levels or LEVELS, **options).values.transpose(0, 2, 1)


def posted(client: httpx.Client, body: dict[str, Any], path: str = "/v1/forecast") -> dict[str, Any]:
    """What is answered with 200."""
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def values(found: dict[str, Any]) -> np.ndarray:
    """The quantiles of a reply [S Q H]."""
    return np.array([list(one["quantiles"].values()) for one in found["forecasts"]])


def waves(frequency: str, length: int = 300, **options: Any) -> Panel:
    """Two noisy waves of a dozen steps."""
    return sine_panel(2, length, period=12.0, noise=0.3, frequency=frequency, **options)
