"""Metrics and logs: Prometheus counters without any label from user input, and one JSON object a log line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import Given
from service.models import ServedModel
from service.request_id import HEADER, assign_request_id, current_request_id

# Labels come from here and from the routes, never from a request: a scanner must not make new series.
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_STAGES = {
    "queue": "Time that a request's series waited for the inference thread.",
    "compute": "Time of the forward passes that answered a request.",
    "serialise": "Time to write a reply.",
}
_STAGE_BUCKETS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Telemetry:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "forecaster_requests", "HTTP requests.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "forecaster_request_seconds", "Time to answer a request.", ["route"], registry=self._registry
        )
        self._series = Counter("forecaster_series", "Series forecast.", ["model", "version"], registry=self._registry)
        self._degraded = Counter(
            "forecaster_series_degraded",
            "Series that a fallback answered.",
            ["model", "version", "reason"],
            registry=self._registry,
        )
        self._stages = {
            stage: Histogram(
                f"forecaster_{stage}_seconds",
                meaning,
                ["model", "version"],
                buckets=_STAGE_BUCKETS,
                registry=self._registry,
            )
            for stage, meaning in _STAGES.items()
        }
        self._batch_rows = Histogram(
            "forecaster_batch_rows",
            "Series in a forward pass.",
            ["model", "version"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self._registry,
        )
        self._models = Gauge(
            "forecaster_model_loaded",
            "1 for each model version in service.",
            ["model", "version"],
            registry=self._registry,
        )

    def count_forecast(self, model: ServedModel, num_series: int, given: Given, serialise_seconds: float) -> None:
        """Counts series that were forecast, and where the time went."""
        labels = model.reference.name, model.reference.version
        self._series.labels(*labels).inc(num_series)
        if given.degraded is not None:
            self._degraded.labels(*labels, given.degraded).inc(num_series)
        self._stages["queue"].labels(*labels).observe(given.stages.queue)
        self._stages["compute"].labels(*labels).observe(given.stages.compute)
        self._stages["serialise"].labels(*labels).observe(serialise_seconds)
        self._batch_rows.labels(*labels).observe(given.stages.batch_rows)

    def show_models(self, models: Iterable[ServedModel]) -> None:
        """Shows which versions are in service."""
        self._models.clear()
        for model in models:
            self._models.labels(model.reference.name, model.reference.version).set(1)

    def exposition(self) -> bytes:
        """Gives all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Wraps the application so that each request is counted and timed by its route's template."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500
            begin = time.perf_counter()
            request_id = assign_request_id(scope)

            async def watch(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message.get("headers", ()), (HEADER, request_id), *_HEADERS]
                await send(message)

            try:
                await app(scope, receive, watch)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._requests.labels(route, method, str(status)).inc()
                self._seconds.labels(route).observe(time.perf_counter() - begin)

        return measured


class JsonFormatter(logging.Formatter):
    """Gives one JSON object a line: time, level, logger, event, fields, and the type of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line; control characters are escaped by JSON."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **({"request_id": request_id} if (request_id := current_request_id()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging() -> None:
    """Sends all logs of this process to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("mlflow", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
