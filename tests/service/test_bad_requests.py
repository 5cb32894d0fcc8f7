"""Every bad request gets the status and the problem that its table says, and leaves the service as it was."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.problems import MEDIA_TYPE
from service.settings import Settings
from tests.conftest import Registry, running_service
from tests.explain.factories import predictor_of
from tests.pipelines.factories import priced_predictor
from tests.service.bad_headers import write_keys
from tests.service.bad_protocol import BadBytes
from tests.service.bad_requests import COUNTS, LOCKED, MARKER, PLAIN, PRICED, BadRequest
from tests.service.bad_table import ACCEPTED, BYTES, REFUSED, ROWS
from tests.service.deliveries import SECRET
from tests.service.factories import app_of
from tests.service.request_bodies import series, valid

LEAKS = ("Traceback", 'File "', "site-packages", ".py", MARKER)


@pytest.fixture(scope="module", autouse=True)
def unharmed(service: httpx.Client) -> Iterator[None]:
    """After all of this module the service is as ready as before, has counted no fault, and still answers."""
    before = service.get("/readyz").json(), faults(service)
    yield
    assert (service.get("/readyz").json(), faults(service)) == before
    assert service.post("/v1/forecast", json=valid()).status_code == 200


@pytest.fixture(scope="module")
def locked(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that asks for the keys of the table."""
    home = tmp_path_factory.mktemp("locked")
    write_keys(home)
    settings = Settings(home=home, registry_uri=registry.uri, max_auth_failures=1000, webhook_secret=SECRET, port=0)
    with running_service(settings, {"waves", "days"}) as client:
        yield client


class InProcess(httpx.BaseTransport):
    """Answers by an application of this process."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            reply = await self._transport.handle_async_request(
                httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            )
            return httpx.Response(reply.status_code, headers=reply.headers, content=await reply.aread())

        return asyncio.run(answer())


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service of a model that reads covariates."""
    app = app_of(priced_predictor(), tmp_path_factory.mktemp("priced"))
    with httpx.Client(transport=InProcess(app), base_url="http://test") as client:
        yield client
    app.state.service.batcher.close()


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service of a model that forecasts counts."""
    app = app_of(predictor_of(head="negative_binomial"), tmp_path_factory.mktemp("counts"))
    with httpx.Client(transport=InProcess(app), base_url="http://test") as client:
        yield client
    app.state.service.batcher.close()


@pytest.fixture(scope="module")
def services(
    service: httpx.Client, priced: httpx.Client, counts: httpx.Client, locked: httpx.Client
) -> dict[str, httpx.Client]:
    """The services that rows of the table are sent to."""
    return {PLAIN: service, PRICED: priced, COUNTS: counts, LOCKED: locked}


def faults(service: httpx.Client) -> list[str]:
    return re.findall(r'^forecaster_requests_total\{.*status="5.*$', service.get("/metrics").text, re.MULTILINE)


def sent(services: dict[str, httpx.Client], case: BadRequest) -> httpx.Response:
    secrets = [("authorization", f"Bearer {MARKER}"), ("cookie", MARKER)] if case.service != LOCKED else []
    headers = [(name.encode(), value.encode("latin-1")) for name, value in (*case.headers, *secrets)]
    return services[case.service].request(case.method, case.path, content=case.body, headers=headers)


def test_the_table_has_rows_enough_and_none_twice() -> None:
    assert len(ROWS) >= 250
    assert len({(row.what, row.status) for row in ROWS}) == len(ROWS)
    requests = [row for row in ROWS if isinstance(row, BadRequest)]
    assert len({(row.method, row.path, row.headers, row.body, row.service) for row in requests}) == len(requests)


def assert_problem(status: int, code: str, media_type: str, body: bytes) -> None:
    assert media_type == MEDIA_TYPE
    assert len(body) <= 16 << 10
    problem = json.loads(body)
    assert (problem["type"], problem["status"], problem["code"]) == (f"urn:forecaster:problem:{code}", status, code)
    assert problem["detail"]
    assert re.fullmatch("[0-9a-f]{12}-[0-9]+", problem["request_id"])
    assert not [leak for leak in LEAKS if leak in body.decode()]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
def test_a_bad_request_is_refused_as_documented(services: dict[str, httpx.Client], case: BadRequest) -> None:
    reply = sent(services, case)
    assert (reply.status_code, reply.is_success) == (case.status, False)
    if case.method == "HEAD":
        return
    assert_problem(case.status, case.code, reply.headers["content-type"], reply.content)
    if case.field:
        assert reply.json()["errors"][0]["field"] == case.field


@pytest.mark.parametrize("case", [case for case in REFUSED if case.status == 405], ids=lambda case: case.what)
def test_a_refused_method_names_those_that_are_allowed(services: dict[str, httpx.Client], case: BadRequest) -> None:
    allowed = set(sent(services, case).headers["allow"].split(", "))
    assert (
        allowed == {"POST"}
        if case.path in ("/v1/forecast", "/v1/explain", "/v2/forecast")
        else allowed in ({"GET"}, {"GET", "HEAD"})
    )


@pytest.mark.parametrize("path", ["/v1/finetuned/ft-a", "/v2/finetuned_models/ft-a"])
def test_a_path_of_several_routes_names_the_methods_of_all(services: dict[str, httpx.Client], path: str) -> None:
    reply = services[PLAIN].patch(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, DELETE")


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.what)
def test_a_strange_request_is_answered_as_documented(services: dict[str, httpx.Client], case: BadRequest) -> None:
    reply = sent(services, case)
    assert reply.status_code == 200
    assert MARKER not in str(reply.headers)


def test_the_last_of_two_equal_fields_counts(services: dict[str, httpx.Client]) -> None:
    (case,) = (case for case in ACCEPTED if case.what.startswith("a field twice"))
    assert len(sent(services, case).json()["forecasts"][0]["timestamps"]) == 2


def test_an_id_with_invisible_characters_comes_back_as_it_is_and_is_escaped_in_messages(service: httpx.Client) -> None:
    name = "\u202egnp.exe"
    answered = service.post("/v1/forecast", json=series(id=name)).json()
    assert answered["forecasts"][0]["id"] == name
    refused = service.post("/v1/forecast", json=series(id=name, target=[1e40]))
    assert r"series '\u202egnp.exe' has" in refused.json()["detail"]


def test_a_problem_names_at_most_twenty_fields(service: httpx.Client) -> None:
    unknown = {f"{number:02}{'x' * 500}": 1 for number in range(40)}
    reply = service.post("/v1/forecast", json=valid(**unknown))
    assert len(reply.json()["errors"]) == 20
    assert_problem(422, "invalid-fields", reply.headers["content-type"], reply.content)


def conversation(service: httpx.Client, case: BadBytes) -> bytes:
    address = (service.base_url.host, service.base_url.port or 0)
    received = bytearray()
    with socket.create_connection(address, timeout=10) as connection:
        try:
            connection.sendall(case.sent)
            if case.hangs_up:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                received += part
        except ConnectionError:  # the server need not read what follows its refusal
            pass
    return bytes(received)


@pytest.mark.parametrize("case", BYTES, ids=lambda case: case.what)
def test_bad_bytes_are_answered_as_documented(service: httpx.Client, case: BadBytes) -> None:
    received = conversation(service, case)
    if case.status is None:
        assert received == b""
        return
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == str(case.status).encode()
    if case.code:
        found = re.search(rb"(?i)content-type: ([^\r]*)", head)
        assert found
        assert b"connection: close" in head
        assert_problem(case.status, case.code, found[1].decode(), body)


def test_without_a_model_the_service_says_that_it_is_not_ready(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", authentication=False, zero_shot=False))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return [await client.get("/readyz"), await client.post("/v1/forecast", json=valid())]

    for reply in asyncio.run(ask()):
        assert reply.headers["retry-after"] == "5"
        assert_problem(503, "not-ready", reply.headers["content-type"], reply.content)
        assert reply.status_code == 503
