"""The metrics of an application, without any label from user input; requests are counted and timed here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.answer_headers import safe_headers_beside
from service.models.following import Refresh
from service.models.view import ModelsState, ServedModel
from service.request_id import HEADER, assign_request_id
from service.telemetry.following_metrics import FollowingMetrics
from service.telemetry.forecast_metrics import ForecastMetrics
from service.telemetry.labels import METHODS

if TYPE_CHECKING:
    from service.telemetry.spans import Spans

# True where prometheus_client found PROMETHEUS_MULTIPROC_DIR at its import: each process keeps its metrics in files,
# and what is exposed is made of all of them. Gauges then need a `multiprocess_mode`, and labels cannot be taken away.
_SEVERAL_PROCESSES = values.ValueClass is not values.MutexValue


class Telemetry:
    """The metrics of one application, which may run in several processes, and its traces, if `spans` are made."""

    def __init__(self, spans: Spans | None = None, skill: Collector | None = None) -> None:
        """`skill` gives the metrics of how good forecasts turned out to be."""
        self._spans = spans
        self._skill = skill
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
        self._following = FollowingMetrics(self._registry)
        self.forecasts = ForecastMetrics(self._registry, spans)
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
        shown = self._registry
        if _SEVERAL_PROCESSES:
            shown = CollectorRegistry()
            MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
        return generate_latest(shown) + (b"" if self._skill is None else generate_latest(self._skill))

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
                    said = message.get("headers", ())
                    message["headers"] = [*said, (HEADER, request_id), *safe_headers_beside(said)]
                await send(message)

            try:
                await app(scope, receive, watch)
            finally:
                if not scope.get("state", {}).get("refused"):  # by the edge, within the body
                    self._count(scope, status, time.perf_counter() - begin)

        return measured if self._spans is None else self._spans.middleware(measured)

    def close(self) -> None:
        """Ends what is sent elsewhere."""
        if self._spans is not None:
            self._spans.close()

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        key = route, method, status
        if key not in self._by_route:
            self._by_route[key] = self._requests.labels(route, method, str(status)), self._seconds.labels(route)
        requests, times = self._by_route[key]
        requests.inc()
        times.observe(seconds)
