"""A collector of traces: takes what comes over OTLP/HTTP on a socket, and reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.small_server import answering


@dataclass(frozen=True)
class Seen:
    """A span as it was received."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / 1e9


@dataclass
class Receiver:
    """What has been received so far. While the gate is closed it answers nobody."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def spans(self) -> list[Seen]:
        """Gives all spans, those that began first at the front."""
        return sorted((span for payload in self.payloads for span in _spans(payload)), key=lambda span: span.begin)

    def wait_for(self, number: int, seconds: float = 20.0) -> list[Seen]:
        """Waits for so many spans, and gives all there are."""
        deadline = time.monotonic() + seconds
        while len(found := self.spans()) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number} spans came in time"
            time.sleep(0.02)
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Runs a collector until the end of the block."""
    receiver = Receiver()
    receiver.gate.set()

    def take_in(request: BaseHTTPRequestHandler) -> int:
        payload = request.rfile.read(int(request.headers["content-length"]))
        receiver.gate.wait()
        receiver.paths.append(request.path)
        receiver.payloads.append(payload)
        return 200

    with answering(take_in) as receiver.url:
        try:
            yield receiver
        finally:
            receiver.gate.set()


def _spans(payload: bytes) -> Iterator[Seen]:
    for batch in ExportTraceServiceRequest.FromString(payload).resource_spans:
        for scope in batch.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    begin=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    status=span.status.code,
                    attributes=_attributes(span.attributes),
                    resource=_attributes(batch.resource.attributes),
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
