"""What is counted of forecasts that nobody gets."""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import valid


def discarded(client: httpx.Client) -> dict[str, float]:
    shown = client.get("/metrics").text
    found = re.findall(r'^forecaster_discarded_rows_total{reason="(.*)"} (.*)$', shown, re.MULTILINE)
    return {reason: float(number) for reason, number in found}


def test_what_was_computed_for_a_client_that_left_is_counted(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, port=0)
    predictor = app.state.service.models.find(None).bundle.predictor
    plain, began, release = predictor.answer, threading.Event(), threading.Event()

    def late(*arguments: Any) -> Any:
        began.set()
        assert release.wait(10)
        return plain(*arguments)

    predictor.answer = late
    with on_a_socket(app, app.state.service.settings) as client:
        assert discarded(client) == {"client-gone": 0, "deadline-exceeded": 0}
        with socket.create_connection((client.base_url.host, client.base_url.port)) as leaving:
            body = orjson.dumps(valid())
            head = b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            leaving.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert began.wait(10)
        while 'status="499"' not in client.get("/metrics").text:
            time.sleep(0.01)
        assert discarded(client) == {"client-gone": 0, "deadline-exceeded": 0}  # it is computed still
        release.set()
        assert client.post("/v1/forecast", json=valid()).status_code == 200
        assert discarded(client) == {"client-gone": 1, "deadline-exceeded": 0}
        release.clear()
        assert client.post("/v1/forecast", json=valid(), headers={"x-request-deadline-ms": "100"}).status_code == 504
        release.set()
        assert client.post("/v1/forecast", json=valid()).status_code == 200
        assert discarded(client) == {"client-gone": 1, "deadline-exceeded": 1}
