"""Metrics and logs: Prometheus counters without any label from user input, and one JSON object a log line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.following import Refresh
from service.forecast_metrics import ForecastMetrics
from service.request_id import HEADER, assign_request_id, current_request_id
from service.view import ModelsState, ServedModel

# Labels come from here and from the routes, never from a request: a scanner must not make new series.
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
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
        self._models = Gauge(
            "forecaster_model_loaded",
            "1 for each model version in service.",
            ["model", "version"],
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self._following = _FollowingMetrics(self._registry)
        self.forecasts = ForecastMetrics(self._registry)
        self._shown: set[tuple[str, str]] = set()
        self._by_route: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # looked up once each

    def count_refusal(self, code: str) -> None:
        """Counts a request that was refused at the edge, by the code of its problem."""
        self._refusals.labels(code).inc()

    def show_refresh(self, refresh: Refresh, state: ModelsState) -> None:
        """Counts what a refresh of the models did, and shows what they are like after it."""
        self._following.count(refresh)
        self._following.show(state)

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
                if not scope.get("state", {}).get("refused"):  # by the edge, within the body
                    self._count(scope, status, time.perf_counter() - begin)

        return measured

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        key = route, method, status
        if key not in self._by_route:
            self._by_route[key] = self._requests.labels(route, method, str(status)), self._seconds.labels(route)
        requests, times = self._by_route[key]
        requests.inc()
        times.observe(seconds)


class _FollowingMetrics:
    """How following the registry goes. Labels are specs of the settings or the registry, and codes of ours."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refreshes = Counter(
            "forecaster_registry_lookups", "Looks at the registry.", ["registry"], registry=registry
        )
        self._swaps = Counter("forecaster_model_swaps", "Versions swapped in.", ["spec"], registry=registry)
        self._failures = Counter(
            "forecaster_model_failures",
            "Versions refused or unavailable, each try.",
            ["spec", "code"],
            registry=registry,
        )
        self._up = Gauge(
            "forecaster_registry_up",
            "1 if the registry answered the last look.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._age = Gauge(
            "forecaster_registry_age_seconds",
            "Seconds since the registry last answered; -1: never.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._generation = Gauge(
            "forecaster_model_generation",
            "Grows by one with every swap.",
            ["spec"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._behind = Gauge(
            "forecaster_model_behind",
            "1 if the spec is not as the registry has it.",
            ["spec"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def count(self, refresh: Refresh) -> None:
        """Counts the look at the registry and what came of it."""
        self._refreshes.labels(refresh.registry).inc()
        for spec in refresh.swapped:
            self._swaps.labels(str(spec)).inc()
        for spec, code in refresh.failed:
            self._failures.labels(str(spec), code).inc()

    def show(self, state: ModelsState) -> None:
        """Shows the registry, and of each spec what serves and whether it is behind."""
        contact = state.registry
        self._up.set(contact.status == "up")
        self._age.set(-1 if contact.last_success is None else state.at - contact.last_success)
        for one in state.specs:
            self._behind.labels(str(one.spec)).set(one.following.problem() is not None)
            if one.served is not None:
                self._generation.labels(str(one.spec)).set(one.served.generation)


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
