"""The spans of requests, by OpenTelemetry. Imported only where traces are asked for (`tracing.py`).

    request ── server span ─┬─ queue       its series waited for the inference thread
                            ├─ batch       they were put together with those of others, and computed
                            └─ serialise   the reply was written

A span names method, route, status, the id of the request, model and version: never a key, a value, a path or the id of
a series. Spans wait in a queue that is bounded for a thread that sends them; where it is full they are dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.compute.engine import Given
from service.models.view import ServedModel
from service.request_id import request_id_of
from service.requests.connection import arrival
from service.telemetry.labels import METHODS

log = logging.getLogger("service.telemetry.spans")

_CLOSE_SECONDS = 1.5  # for what still waits to be sent when the service ends
_PARENT, _STATE = "traceparent", "tracestate"

_current: ContextVar[Span | None] = ContextVar("span", default=None)


class Spans:
    """Makes a span of each request of an application, and sends it to a collector."""

    def __init__(self, provider: TracerProvider, exporter: SpanExporter) -> None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._provider = provider
        self._exporter = exporter
        self._tracer = provider.get_tracer("forecaster")
        self._propagator = TraceContextTextMapPropagator()

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Wraps the application so that each request has a span."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500
            span = self._begun(scope)
            token = _current.set(span)

            async def watch(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, watch)
            finally:
                _current.reset(token)
                _end(span, scope, status)

        return traced

    def tell(self, model: ServedModel, given: Given, serialise_seconds: float) -> None:
        """Adds what a forecast took to the span of the request that this task answers.

        Only durations are known, so the stages are laid one after the other, the last of them ending now.
        """
        span = _current.get()
        if span is None or not span.is_recording():
            return
        span.set_attributes(_of_forecast(model, given))
        context, end = set_span_in_context(span), time.time_ns()
        for name, seconds in _stages(given, serialise_seconds):
            begin = end - int(1e9 * seconds)
            self._tracer.start_span(name, context, start_time=begin).end(end)
            end = begin

    def close(self) -> None:
        """Sends what waits, and gives up on it where that takes too long."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if closing.is_alive():
            log.warning("spans_dropped", extra={"fields": {"after_seconds": _CLOSE_SECONDS}})
            self._exporter.shutdown()

    def _begun(self, scope: Scope) -> Span:
        method = _method(scope)
        begun = time.time_ns() - int(1e9 * (time.monotonic() - arrival(scope)))
        attributes = {"http.request.method": method, "network.protocol.version": scope["http_version"]}
        return self._tracer.start_span(method, self._parent(scope), SpanKind.SERVER, attributes, start_time=begun)

    def _parent(self, scope: Scope) -> Context | None:
        """Gives the trace that a request belongs to; where several headers name one, it begins its own."""
        parents, states = (
            [value.decode("latin-1") for name, value in scope["headers"] if name == wanted.encode()]
            for wanted in (_PARENT, _STATE)
        )
        if len(parents) != 1:
            return None
        return self._propagator.extract({_PARENT: parents[0], **({_STATE: ",".join(states)} if states else {})})


def _of_forecast(model: ServedModel, given: Given) -> dict[str, str | int]:
    reference = model.reference
    degraded = {} if given.degraded is None else {"forecaster.degraded": given.degraded}
    return {
        "forecaster.model.name": reference.name,
        "forecaster.model.version": reference.version,
        "forecaster.batch.rows": given.stages.batch_rows,
        **degraded,
    }


def _stages(given: Given, serialise_seconds: float) -> list[tuple[str, float]]:
    """Gives the stages that took time, the last one first."""
    stages = (("serialise", serialise_seconds), ("batch", given.stages.compute), ("queue", given.stages.queue))
    return [(name, seconds) for name, seconds in stages if seconds > 0]


def _end(span: Span, scope: Scope, status: int) -> None:
    """Ends the span of a request with what is known of it at its end."""
    if span.is_recording():
        route = getattr(scope.get("route"), "path", None)
        if route is not None:
            span.update_name(f"{_method(scope)} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("forecaster.request_id", request_id_of(scope) or "")
        if scope.get("state", {}).get("refused"):  # by the edge, which answered within the body
            span.set_attribute("error.type", "refused")
        else:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)
    span.end()


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "_OTHER"
