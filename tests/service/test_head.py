"""HEAD is answered wherever GET is: with its status, its headers and its guard, and without a body."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket

OF_EACH_ANSWER = {"x-request-id", "date", "content-length"}  # a problem names its id, models for how long they serve
UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = app_of(predictor_of(), tmp_path_factory.mktemp("home"), port=0)
    with on_a_socket(app, app.state.service.settings) as found:
        yield found


def said(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in OF_EACH_ANSWER}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/livez", "/readyz", "/openapi.json", "/docs", "/ping", "/health", "/version", "/oip/v2/health/live"),
        *("/v1/model", "/v1/models", "/v1/jobs", "/v1/finetuned", "/v1/skill", "/v2/models", "/validate_api_key"),
        *(f"/v1/jobs/{UNKNOWN}", f"/v1/forecasts/{UNKNOWN}", "/v1/forecasts/abc", "/nowhere", "/v1/forecast"),
    ],
)
def test_head_is_answered_as_get_is_but_for_the_body(client: httpx.Client, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert said(head) == said(get)


def test_nothing_follows_the_head_so_that_the_next_answer_is_found(client: httpx.Client) -> None:
    asked = b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = b""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) as connection:
        connection.sendall(asked)
        while part := connection.recv(1 << 16):
            received += part
    first, second, body = received.split(b"\r\n\r\n")
    assert (first[:15], second[:15], body) == (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b'{"status":"alive"}')


def test_head_is_counted_as_head_of_its_route(client: httpx.Client) -> None:
    assert client.head("/metrics").status_code == 200
    counted = 'forecaster_requests_total{method="HEAD",route="/metrics",status="200"} 1.0'
    assert counted in client.get("/metrics").text.splitlines()


def test_a_refused_method_names_head_beside_get(client: httpx.Client) -> None:
    assert client.delete("/v1/models").headers["allow"] == "GET, HEAD"
    assert client.head("/v1/forecast").headers["allow"] == "POST"


def test_the_document_names_no_route_twice(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"].values()
    assert not any("head" in path for path in paths)
    names = [operation["operationId"] for path in paths for operation in path.values()]
    assert len(names) == len(set(names))


def test_head_wants_the_scope_of_get(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=0)
    store = KeyStore(KeyFiles.of(settings))
    good, other = (store.create(KeyTerms((scope,))).token for scope in (Scope.METRICS, Scope.FORECAST))
    app = app_of(predictor_of(), tmp_path, authentication=True)
    with on_a_socket(app, settings) as client:
        keys: list[dict[str, str]] = [{}, *({"Authorization": f"Bearer {key}"} for key in (other, good))]
        assert [client.head("/metrics", headers=key).status_code for key in keys] == [401, 403, 200]
