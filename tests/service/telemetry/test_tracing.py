"""Traces: a span of each request reaches a real collector, nothing private does, and nobody waits for it."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from benchmarks.reliability.serving import forecast_body, home_with_model, serving
from forecaster.errors import ConfigError
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings, read_settings
from service.telemetry.tracing import spans_of
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import HISTORY, valid
from tests.service.telemetry.receiver import Receiver, Seen, receiving

SERVER = 2  # of the kinds of span
ERROR = 2  # of their statuses
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector, which the environment names."""
    with receiving() as found:
        send_to(found.url, monkeypatch)
        yield found


def send_to(url: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    chosen = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "20", **variables}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)


@contextmanager
def traced(home: Path, app: FastAPI | None = None, **settings: Any) -> Iterator[httpx.Client]:
    app = app or app_of(predictor_of(), home, port=0, **settings)
    with on_a_socket(app, app.state.service.settings) as client:
        yield client


def of_requests(spans: list[Seen]) -> list[Seen]:
    return [span for span in spans if span.kind == SERVER]


def test_a_forecast_is_a_span_with_its_stages(tmp_path: Path, receiver: Receiver) -> None:
    with traced(tmp_path) as client:
        before = time.time_ns()
        reply = client.post("/v1/forecast", json=valid(), headers={"x-request-id": "order-17"})
        after = time.time_ns()
    spans = receiver.wait_for(4)
    (request,) = of_requests(spans)
    assert request.name == "POST /v1/forecast"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/forecast",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "forecaster.request_id": "order-17",
        "forecaster.model.name": "waves",
        "forecaster.model.version": "1",
        "forecaster.batch.rows": 1,
    }
    assert (request.parent, request.status, request.resource["service.name"]) == ("", 0, "forecaster")
    stages = {span.name: span for span in spans if span.parent == request.id}
    assert list(stages) == ["queue", "batch", "serialise"]
    timing = dict(part.strip().split(";dur=") for part in reply.headers["server-timing"].split(","))
    told = {"queue": timing["queue"], "batch": timing["compute"], "serialise": timing["serialise"]}
    for name, span in stages.items():
        assert span.trace == request.trace
        assert span.seconds * 1000 == pytest.approx(float(told[name]), abs=0.002)
        assert before <= request.begin <= span.begin <= span.end <= request.end <= after
    assert set(receiver.paths) == {"/v1/traces"}


def test_a_forecast_in_lines_is_one_span_with_the_stages_of_each_piece(tmp_path: Path, receiver: Receiver) -> None:
    many = [{"id": str(number), "start": "2024-01-01", "target": HISTORY} for number in range(5)]
    with traced(tmp_path, max_batch=2) as client:
        assert client.post(
            "/v1/forecast", json=valid(series=many), headers={"accept": "application/x-ndjson"}
        ).is_success
    spans = receiver.wait_for(7)
    assert sorted(span.name for span in spans) == ["POST /v1/forecast", *["batch"] * 3, *["queue"] * 3]


def test_the_trace_of_the_caller_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    with traced(tmp_path) as client:
        client.get("/livez", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "other=1"})
        client.get("/livez", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})  # whose caller records nothing
        client.get("/livez", headers={"traceparent": "nonsense"})
        twice = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("traceparent", f"00-{TRACE}-{PARENT[::-1]}-01")]
        client.get("/livez", headers=twice)
    first, *own = receiver.wait_for(3)
    assert (first.trace, first.parent) == (TRACE, PARENT)
    assert [(span.parent, span.trace == TRACE) for span in own] == [("", False)] * 2


def test_requests_that_fail_are_told_apart_by_route_and_status(tmp_path: Path, receiver: Receiver) -> None:
    app = app_of(predictor_of(), tmp_path, port=0)
    with traced(tmp_path, app) as client:
        client.get("/nothing/here")
        client.request("PROPFIND", "/livez")
        client.post("/v1/forecast", json=valid(horizon=0))
        app.state.service.models.find = None  # a mistake of ours
        assert client.post("/v1/forecast", json=valid()).status_code == 500
    found = receiver.wait_for(4)
    told = [(span.name, span.attributes["http.response.status_code"], span.status) for span in found]
    assert told == [
        ("GET", 404, 0),
        ("_OTHER /livez", 405, 0),
        ("POST /v1/forecast", 422, 0),
        ("POST /v1/forecast", 500, ERROR),
    ]
    assert "http.route" not in found[0].attributes
    assert all(span.attributes["forecaster.request_id"] for span in found)


def test_neither_values_nor_keys_nor_names_leave_the_service(tmp_path: Path, receiver: Receiver) -> None:
    canary, number = "canary-7f3a", 13371337.25
    token = KeyStore(KeyFiles.of(Settings(home=tmp_path))).create(KeyTerms((Scope.FORECAST,), note=canary)).token
    app = app_of(predictor_of(), tmp_path, port=0, authentication=True)
    body = valid(series=[{"id": canary, "start": "2024-01-01T00:00:00", "target": [*HISTORY, number]}])
    headers = {"user-agent": canary, "cookie": canary, "x-other": canary, "x-request-id": "known"}
    with traced(tmp_path, app) as client:
        known = {**headers, "authorization": f"Bearer {token}"}
        assert client.post(f"/v1/forecast?q={canary}", json=body, headers=known).status_code == 200
        assert client.post("/v1/forecast", json=body, headers=headers).status_code == 401
        assert client.post("/v1/forecast", json={**body, "horizon": canary}, headers=known).status_code == 422
        client.get(f"/{canary}", headers=known)
        app.state.service.models.find = lambda _: {}[canary]
        assert client.post("/v1/forecast", json=body, headers=known).status_code == 500
    receiver.wait_for(8)
    sent = b"".join(receiver.payloads)
    assert sent.count(b"known") == 5
    secrets = (canary.encode(), token.encode(), token[-12:].encode(), str(number).encode(), struct.pack("<d", number))
    assert [secret for secret in secrets if secret in sent] == []


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_collector_that_does_not_answer_is_in_nobodys_way(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    if how == "down":
        send_to("http://127.0.0.1:1", monkeypatch)
    else:
        receiver.gate.clear()
    app = app_of(predictor_of(), tmp_path, port=0)
    closing: list[float] = []
    close = app.state.service.telemetry.close

    def timed() -> None:
        began = time.monotonic()
        close()
        closing.append(time.monotonic() - began)

    monkeypatch.setattr(type(app.state.service.telemetry), "close", lambda _: timed())
    with caplog.at_level(logging.CRITICAL), traced(tmp_path, app) as client:
        for _ in range(30):
            began = time.monotonic()
            assert client.post("/v1/forecast", json=valid()).status_code == 200
            assert time.monotonic() - began < 5
            time.sleep(0.01)
    assert closing
    assert closing[0] < 2


def test_what_waits_for_a_collector_is_bounded(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_to(receiver.url, monkeypatch, OTEL_BSP_MAX_QUEUE_SIZE="8", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")
    receiver.gate.clear()
    with traced(tmp_path) as client:
        for _ in range(50):
            assert client.get("/livez").status_code == 200
        receiver.gate.set()
    assert 8 <= len(receiver.wait_for(8)) <= 12


@pytest.mark.parametrize(
    ("variables", "sends"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"FORECASTER_TRACES": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "FORECASTER_TRACES": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_traces_are_sent_where_a_standard_variable_or_the_setting_says_so(
    variables: dict[str, str], sends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings().sends_traces is sends


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "traces: Input should be 'auto', 'otlp' or 'none'"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "PROTOCOL is grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "wants a URL"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "cannot be sent as the variables"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_at_the_start(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        spans_of(read_settings({}))


def ask_until_answered(url: str, headers: dict[str, str]) -> None:
    """Asks again while a worker has no model yet, or no time on a busy machine."""
    deadline = time.monotonic() + 60
    while (reply := httpx.post(url, json=forecast_body(), headers=headers)).status_code == 503:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.2)
    assert reply.status_code == 200, reply.text


@pytest.mark.slow
def test_each_of_several_workers_sends_its_spans_the_last_ones_when_it_ends(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_to(receiver.url, monkeypatch, OTEL_BSP_SCHEDULE_DELAY="60000")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "forecasts-of-the-shop")
    with home_with_model() as home, serving(home, "--workers", "2") as service:
        for number in range(40):  # of connections of their own, which the kernel spreads
            headers = {"x-request-id": f"request-{number}"}
            ask_until_answered(f"{service.url}/v1/forecast", headers)
        assert receiver.spans() == []
    found = [span for span in of_requests(receiver.spans()) if span.name == "POST /v1/forecast"]
    assert {span.attributes["forecaster.request_id"] for span in found} == {f"request-{number}" for number in range(40)}
    assert {span.resource["service.name"] for span in found} == {"forecasts-of-the-shop"}
    assert len(receiver.payloads) <= 2  # one of each worker that was asked


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_nothing_of_it_is_imported_where_nobody_asks() -> None:
    code = """
import sys
from service.app import create_app
from service.settings import Settings
create_app(Settings(registry_uri="http://127.0.0.1:1", authentication=False))
assert not [name for name in sys.modules if name.startswith(("opentelemetry.exporter", "service.telemetry.spans"))]
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_a_start_that_wants_traces_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["opentelemetry.exporter.otlp.proto.http.trace_exporter"] = None
from forecaster.cli import main
main(["serve", "--no-authentication", "--port", "0", "--home", sys.argv[1]])
"""
    done = run("import os; os.environ['OTEL_TRACES_EXPORTER'] = 'otlp'\n" + code, str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert "pip install 'forecaster[otel]'" in done.stderr
    assert "Traceback" not in done.stderr
