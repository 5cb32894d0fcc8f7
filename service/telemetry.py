"""Metrics and logs: Prometheus counters without any label from user input, and one JSON object a log line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import ServedModel

# Labels come from here and from the routes, never from a request: a scanner must not make new series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# True where prometheus_client found PROMETHEUS_MULTIPROC_DIR at its import: each process keeps its metrics in files,
# and what is exposed is made of all of them. Gauges then need a `multiprocess_mode`, and labels cannot be taken away.
_SEVERAL_PROCESSES = values.ValueClass is not values.MutexValue


class Telemetry:
    """The metrics of one application, which may run in several processes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "forecaster_requests", "HTTP requests.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "forecaster_request_seconds", "Time to answer a request.", ["route"], registry=self._registry
        )
        self._refusals = Counter(
            "forecaster_refusals",
            "Requests refused before the application saw them.",
            ["code"],
            registry=self._registry,
        )
        self._series = Counter("forecaster_series", "Series forecast.", ["model", "version"], registry=self._registry)
        self._models = Gauge(
            "forecaster_model_loaded",
            "1 for each model version in service.",
            ["model", "version"],
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self._shown: set[tuple[str, str]] = set()

    def count_refusal(self, code: str) -> None:
        """Counts a request that was refused at the edge, by the code of its problem."""
        self._refusals.labels(code).inc()

    def count_series(self, model: ServedModel, number: int) -> None:
        """Counts series that were forecast."""
        self._series.labels(model.reference.name, model.reference.version).inc(number)

    def show_models(self, models: Iterable[ServedModel]) -> None:
        """Shows which versions are in service."""
        now = {(model.reference.name, model.reference.version) for model in models}
        if not _SEVERAL_PROCESSES:
            self._models.clear()
        for gone in self._shown - now if _SEVERAL_PROCESSES else ():
            self._models.labels(*gone).set(0)
        for shown in now:
            self._models.labels(*shown).set(1)
        self._shown |= now

    def exposition(self) -> bytes:
        """Gives all metrics in Prometheus' text format."""
        if not _SEVERAL_PROCESSES:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Wraps the application so that each request is counted and timed by its route's template."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500
            begin = time.perf_counter()

            async def watch(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
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
