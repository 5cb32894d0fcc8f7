"""What dialects share with the forecast route: keys, readiness, admission, limits, cost, counts; and how they fail."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.app import create_app
from service.errors import ServiceError
from service.errors.dialects import said
from service.problems import MEDIA_TYPE
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.dialects.inference_bodies import MODEL, inference, inputs
from tests.service.factories import app_of, asking, on_a_socket
from tests.service.fake_models import Late
from tests.service.request_bodies import HISTORY, valid
from tests.service.timegpt_bodies import FORECAST, forecast

INVOCATIONS, INFER = "/invocations", f"{MODEL}/infer"
RECORDS = [
    {"unique_id": "a", "ds": f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00", "y": value}
    for hour, value in enumerate(HISTORY)
]
BODIES: dict[str, Any] = {
    INVOCATIONS: {"dataframe_records": RECORDS, "params": {"horizon": 4}},
    INFER: inference(inputs=inputs(), parameters={"horizon": 4}),
    FORECAST: forecast(h=4),
}
GETS = (
    "/ping",
    "/health",
    "/version",
    "/oip/v2",
    "/oip/v2/health/live",
    "/oip/v2/health/ready",
    MODEL,
    f"{MODEL}/ready",
    "/validate_api_key",
    "/v2/models",
    "/model_params?model=timegpt-1&freq=h",
)
TIMEGPT = (FORECAST, "/validate_api_key", "/v2/models", "/model_params?model=timegpt-1&freq=h")
OPEN = ("/ping", "/health", "/oip/v2/health/live", "/oip/v2/health/ready")
MLFLOW = ("/ping", "/health", "/version", INVOCATIONS)

each_dialect = pytest.mark.parametrize("path", sorted(BODIES))


def code_of(path: str, reply: httpx.Response) -> str:
    """Gives the code in an error of a dialect, whose form it asserts."""
    if path in TIMEGPT:  # whose clients show any form, and look for `detail`
        assert reply.headers["content-type"] == MEDIA_TYPE
        assert reply.json()["detail"]
        return str(reply.json()["code"])
    assert reply.headers["content-type"] == "application/json"
    assert "x-request-id" in reply.headers
    body = reply.json()
    if path not in MLFLOW:
        assert set(body) == {"error"}
        return str(body["error"]).partition(": ")[0]
    assert set(body) == {"error_code", "message"}
    assert body["error_code"].isupper()
    return str(body["message"]).partition(": ")[0]


def ask(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    async def post(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(path, json=BODIES[path], headers=headers)

    return asking(app, post)


def test_keys_open_the_dialects_and_health_needs_none(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")
    store = KeyStore(KeyFiles.of(settings))
    keys = {scope: store.create(KeyTerms((scope,))).token for scope in (Scope.FORECAST, Scope.METRICS)}
    app = app_of(predictor_of(), tmp_path, authentication=True)

    with on_a_socket(app, Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", port=0)) as client:

        def send(path: str, key: str | None) -> httpx.Response:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            if path in BODIES:
                return client.post(path, json=BODIES[path], headers=headers)
            return client.get(path, headers=headers)

        for path in (*BODIES, *(path for path in GETS if path not in OPEN)):
            bare, wrong, good = (send(path, key) for key in (None, keys[Scope.METRICS], keys[Scope.FORECAST]))
            assert (bare.status_code, code_of(path, bare)) == (401, "unauthorized")
            assert bare.headers["www-authenticate"] == "Bearer"
            assert (wrong.status_code, code_of(path, wrong)) == (403, "missing-scope")
            assert good.status_code == 200, good.text
        for path in ("/ping", "/health", "/oip/v2/health/live"):
            assert send(path, None).status_code == 200


def test_nothing_is_ready_before_a_model_is_and_all_that_lives_says_so(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", authentication=False))

    async def get(client: httpx.AsyncClient) -> dict[str, httpx.Response]:
        found = {path: await client.get(path) for path in GETS}
        return {**found, **{path: await client.post(path, json=body) for path, body in BODIES.items()}}

    found = asking(app, get)
    alive = {path for path, reply in found.items() if reply.status_code == 200}
    assert alive == {"/version", "/oip/v2", "/oip/v2/health/live", "/validate_api_key", "/v2/models"}
    for path in found.keys() - alive:
        assert (found[path].status_code, code_of(path, found[path])) == (503, "not-ready")
        assert found[path].headers["retry-after"] == "5"


def test_a_process_that_is_about_to_end_is_not_ready(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path)
    app.state.draining = True

    async def get(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get(path) for path in ("/ping", "/oip/v2/health/ready")]

    for path, reply in zip(("/ping", "/oip/v2/health/ready"), asking(app, get), strict=True):
        assert (reply.status_code, code_of(path, reply)) == (503, "draining")


@each_dialect
def test_what_is_asked_is_charged_as_a_forecast_is(tmp_path: Path, path: str) -> None:
    costs: list[tuple[int, int]] = []
    app = app_of(predictor_of(), tmp_path)
    app.state.security.charge = lambda _, points, horizon: costs.append((points, horizon))
    assert ask(app, path).status_code == 200
    assert costs == [(len(HISTORY), 4)]


@each_dialect
def test_a_key_that_has_spent_its_share_is_told_when_to_come_again(tmp_path: Path, path: str) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")
    key = KeyStore(KeyFiles.of(settings)).create(KeyTerms((Scope.FORECAST,))).token
    app = app_of(predictor_of(), tmp_path, authentication=True, rate_burst=300, rate_per_minute=60)

    async def twice(client: httpx.AsyncClient) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {key}"}
        return [await client.post(path, json=BODIES[path], headers=headers) for _ in range(2)]

    first, second = asking(app, twice)
    assert first.status_code == 200
    assert (second.status_code, code_of(path, second)) == (429, "rate-limited")
    assert int(second.headers["retry-after"]) > 100


@each_dialect
def test_a_deadline_is_kept(tmp_path: Path, path: str) -> None:
    predictor = predictor_of()
    app = app_of(predictor, tmp_path)
    served = app.state.service.models.find(None).bundle.predictor
    served.__class__, served.seconds = Late, 0.5
    reply = ask(app, path, **{"X-Request-Deadline-Ms": "100"})
    assert (reply.status_code, code_of(path, reply)) in ((504, "deadline-exceeded"), (503, "overloaded"))


@each_dialect
def test_a_bad_deadline_is_refused(tmp_path: Path, path: str) -> None:
    reply = ask(app_of(predictor_of(), tmp_path), path, **{"X-Request-Deadline-Ms": "soon"})
    assert (reply.status_code, code_of(path, reply)) == (400, "invalid-header")


@each_dialect
def test_more_requests_than_allowed_are_overload(tmp_path: Path, path: str) -> None:
    predictor = predictor_of()
    app = app_of(predictor, tmp_path, max_requests=1)
    served = app.state.service.models.find(None).bundle.predictor
    served.__class__, served.seconds = Late, 0.3

    async def together(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(client.post(path, json=BODIES[path]) for _ in range(3)))

    replies = asking(app, together)
    refused = [reply for reply in replies if reply.status_code == 503]
    assert sorted(reply.status_code for reply in replies) == [200, 503, 503]
    assert {code_of(path, reply) for reply in refused} == {"overloaded"}
    assert all("retry-after" in reply.headers for reply in refused)


@each_dialect
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_beyond_the_limit_is_refused(tmp_path: Path, path: str, encoding: str) -> None:
    app = app_of(predictor_of(), tmp_path, max_body_bytes=2048)
    content = b" " * 3000
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    async def post(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(
            path, content=gzip.compress(content) if encoding == "gzip" else content, headers=headers
        )

    reply = asking(app, post)
    assert (reply.status_code, code_of(path, reply)) == (413, "body-too-large")


@each_dialect
def test_a_failure_that_nobody_foresaw_has_the_form_of_the_dialect_and_no_details(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(predictor_of(), tmp_path)

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(app.state.service.engine, "forecast", fail)
    reply = ask(app, path)
    assert (reply.status_code, code_of(path, reply)) == (500, "internal")
    assert "secret" not in reply.text


def test_requests_and_series_are_counted_by_route_and_model(service: httpx.Client) -> None:
    body = {**BODIES[INVOCATIONS], "params": {"model": "waves"}}

    def count(line: str) -> float:
        found = [text for text in service.get("/metrics").text.splitlines() if text.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    names = [
        f'forecaster_requests_total{{method="POST",route="{route}",status="200"}}'
        for route in (INVOCATIONS, "/oip/v2/models/{name}/infer", "/oip/v2/models/{name}/versions/{version}/infer")
    ]
    series = 'forecaster_series_total{model="waves",version="1"}'
    before = [count(name) for name in (*names, series)]
    for path, sent in ((INVOCATIONS, body), (INFER, BODIES[INFER]), (f"{MODEL}/versions/1/infer", BODIES[INFER])):
        assert service.post(path, json=sent).status_code == 200
    assert [count(name) for name in (*names, series)] == [*(number + 1 for number in before[:3]), before[3] + 3]


@each_dialect
def test_answers_say_where_their_time_went(service: httpx.Client, path: str) -> None:
    body = {**BODIES[path], "params": {"model": "waves"}} if path == INVOCATIONS else BODIES[path]
    assert "compute;dur=" in service.post(path, json=body).headers["server-timing"]


# The forms of a failure.


def family(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in family(one))]


@pytest.mark.parametrize("kind", family(ServiceError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_service_has_a_form_in_each_dialect(kind: type[ServiceError]) -> None:
    problem = {"status": kind.status, "code": kind.code, "detail": "what"}
    status = 400 if kind.status == 422 else kind.status
    text = f"{kind.code}: what"
    assert said("/oip/v2/models/waves/infer", problem) == (status, {"error": text})
    found = said(INVOCATIONS, problem)
    assert found is not None
    assert (found[0], found[1]["message"]) == (status, text)
    assert mlflow_status(found[1]["error_code"]) in (status, 400)


def mlflow_status(name: str) -> int:
    from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS

    known: dict[str, int] = ERROR_CODE_TO_HTTP_STATUS
    return known[name]


@pytest.mark.parametrize("path", ["/v1/forecast", "/readyz", "/oipx", "/pingx", "/invocations/", ""])
def test_other_routes_keep_the_form_of_problems(path: str) -> None:
    assert said(path, {"status": 400, "code": "x", "detail": "y"}) is None


def test_a_forecast_still_fails_with_a_problem(service: httpx.Client) -> None:
    reply = service.post("/v1/forecast", json=valid(horizon=0))
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
