"""Who may do what, over real sockets: keys, scopes, limits; and every route says which scope it wants."""

from __future__ import annotations

import ast
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette import types as asgi
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from forecaster.errors import ConfigError
from service import problems
from service.access.guards import (
    PUBLIC_PATHS,
    Guarded,
    declared_scope,
    requires,
    requires_delivery,
    takes_deliveries,
    unguarded,
)
from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.access.security import ANYBODY, Principal, Security
from service.app import create_app
from service.errors import CostTooHigh, Forbidden, RateLimited, Unauthorized
from service.routes import health, models
from service.settings import Settings, read_settings

ROOT = Path(__file__).parents[3]
ROUTES = {"/v1/model": Scope.FORECAST, "/v1/models": Scope.FORECAST, "/metrics": Scope.METRICS}
SECRET_NAMES = ("secret", "token", "digest", "pepper", "authorization")


@dataclass(frozen=True)
class Home:
    """A home folder with one key of each scope."""

    settings: Settings
    store: KeyStore
    tokens: dict[Scope, str]

    def security(self) -> Security:
        return Security.of(self.settings)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", max_auth_failures=5, rate_burst=1000)
    store = KeyStore(KeyFiles.of(settings))
    return Home(settings, store, {scope: store.create(KeyTerms((scope,))).token for scope in Scope})


def bearer(token: str) -> str:
    return f"Bearer {token}"


def app_of(home: Home) -> FastAPI:
    """The routers health and models, an ASGI endpoint and one that reads its body in a dependency."""
    app = FastAPI()
    app.state.service = create_app(home.settings).state.service
    app.state.security, app.state.draining = home.security(), False
    problems.install(app)
    for module in (health, models):
        app.include_router(module.router)
    app.router.routes.append(Route("/raw", Guarded(read_and_tell, Scope.FORECAST)))

    app.post("/cooked", dependencies=[requires(Scope.FORECAST)])(cooked)
    return app


async def read(request: Request) -> int:
    return len(await request.body())


async def cooked(request: Request, size: Annotated[int, Depends(read)]) -> dict[str, Any]:
    return {"size": size, "key": request.state.principal.key_id}


async def read_and_tell(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    request = Request(scope, receive)
    size = len(await request.body())
    await JSONResponse({"size": size, "key": request.state.principal.key_id})(scope, receive, send)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    pause = threading.Event()
    try:
        for _ in range(200):
            if server.started:
                break
            pause.wait(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        app.state.service.batcher.close()


@pytest.fixture
def url(home: Home) -> Iterator[str]:
    with serving(app_of(home)) as address:
        yield address


def assert_problem(reply: httpx.Response, status: int, code: str) -> None:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.json()["code"], reply.json()["status"]) == (code, status)


# Over a socket.


def test_each_scope_opens_its_routes_and_no_other(url: str, home: Home) -> None:
    for path, wanted in {**ROUTES, "/raw": Scope.FORECAST}.items():
        for scope, token in home.tokens.items():
            reply = httpx.get(f"{url}{path}", headers={"Authorization": bearer(token)})
            if scope is wanted:
                assert reply.status_code in (200, 503)  # 503: no model is loaded here
            else:
                assert_problem(reply, 403, "missing-scope")
                assert wanted.value in reply.json()["detail"]


def test_the_table_of_scopes_is_what_the_app_says_of_itself(home: Home) -> None:
    app = app_of(home)
    paths = app.openapi()["paths"]
    secured = {path for path, item in paths.items() if any("security" in one for one in item.values())}
    assert secured - {"/cooked"} == set(ROUTES)
    assert set(paths) - secured <= PUBLIC_PATHS
    app.state.service.batcher.close()


def test_liveness_and_readiness_need_no_key(url: str) -> None:
    assert httpx.get(f"{url}/livez").status_code == 200
    assert_problem(httpx.get(f"{url}/readyz"), 503, "not-ready")


def test_every_refusal_says_the_same_and_the_log_says_why(
    url: str, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    token = home.tokens[Scope.METRICS]
    key_id = token[3:15]
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": "Basic eDp5"},
        {"Authorization": bearer("nonsense")},
        {"Authorization": bearer(f"fk_{'0' * 12}_{'x' * 43}")},
        {"Authorization": bearer(f"fk_{key_id}_{'x' * 43}")},
    ]
    replies = [httpx.get(f"{url}/metrics", headers=one) for one in headers]
    for reply in replies:
        assert_problem(reply, 401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
    assert len({reply.content for reply in replies}) == 1
    logged = [record.fields for record in caplog.records if record.message == "authentication_failed"]  # type: ignore[attr-defined]
    assert [one["reason"] for one in logged] == ["missing", "missing", "malformed", "unknown", "wrong-secret"]
    assert logged[-1] == {"reason": "wrong-secret", "key_id": key_id, "client": "127.0.0.1"}
    assert not any("xxxx" in str(one) for one in logged)


def test_many_failures_of_an_address_get_429_and_a_good_key_still_passes(
    url: str, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = [httpx.get(f"{url}/metrics").status_code for _ in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    reply = httpx.get(f"{url}/metrics")
    assert_problem(reply, 429, "too-many-failures")
    assert 1 <= int(reply.headers["retry-after"]) <= 12
    assert [record.message for record in caplog.records].count("authentication_failed") == 5
    good = httpx.get(f"{url}/metrics", headers={"Authorization": bearer(home.tokens[Scope.METRICS])})
    assert good.status_code == 200


@pytest.mark.parametrize("path", ["/raw", "/cooked"])
@pytest.mark.parametrize("framing", ["Content-Length: 10000000", "Transfer-Encoding: chunked"])
def test_a_bad_key_is_answered_before_its_body_is_read(url: str, path: str, framing: str) -> None:
    address = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fk_bad\r\n{framing}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(head.encode() + b"1000\r\n")  # of ten million bytes these are all that will come
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: Bearer" in answer


@pytest.mark.parametrize("path", ["/raw", "/cooked"])
def test_a_good_key_reaches_the_endpoint_with_its_body_and_principal(url: str, home: Home, path: str) -> None:
    token = home.tokens[Scope.FORECAST]
    reply = httpx.post(f"{url}{path}", content=b"x" * 100_000, headers={"Authorization": f"bearer {token}"})
    assert reply.json() == {"size": 100_000, "key": token[3:15]}


def test_a_revoked_key_is_refused_by_the_running_service_within_five_seconds(url: str, home: Home) -> None:
    token = home.tokens[Scope.METRICS]
    headers = {"Authorization": bearer(token)}
    assert httpx.get(f"{url}/metrics", headers=headers).status_code == 200
    home.store.revoke(token[3:15])
    pause = threading.Event()
    for _ in range(50):
        if httpx.get(f"{url}/metrics", headers=headers).status_code == 401:
            return
        pause.wait(0.1)
    raise AssertionError("the revoked key was still good after five seconds")


# Every route says what it wants.


def test_health_and_models_are_guarded(home: Home) -> None:
    app = app_of(home)
    assert unguarded(app.routes) == []


def test_every_route_of_the_service_is_guarded_and_all_but_the_webhook_by_a_scope(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", webhook_secret="w" * 32))
    assert unguarded(app.routes) == []
    routes = [route for route in iter_route_contexts(app.routes) if route.path not in PUBLIC_PATHS]
    assert len(routes) >= 6
    assert [route.path for route in routes if declared_scope(route) is None] == ["/v1/models/webhook"]
    assert [route.path for route in routes if takes_deliveries(route)] == ["/v1/models/webhook"]


class Body(BaseModel):
    x: int


async def plain() -> None: ...


async def reads(body: Body) -> None: ...


def test_a_route_that_is_not_guarded_is_found() -> None:
    app = FastAPI(openapi_url=None)

    app.get("/open")(plain)
    app.get("/closed", dependencies=[requires(Scope.ADMIN)])(plain)
    app.post("/reads-too-early", dependencies=[requires(Scope.ADMIN)])(reads)
    app.post("/hook", dependencies=[requires_delivery()])(plain)
    app.post("/hook-that-reads-too-early", dependencies=[requires_delivery()])(reads)
    app.post("/any-dependency", dependencies=[Depends(plain)])(plain)
    app.mount("/mounted", PlainTextResponse("x"))
    app.router.routes.append(Route("/raw", PlainTextResponse("x")))
    app.router.routes.append(Mount("/static-offline-docs", PlainTextResponse("x")))
    too_early = ["/reads-too-early", "/hook-that-reads-too-early"]
    assert unguarded(app.routes) == ["/open", *too_early, "/any-dependency", "/mounted", "/raw"]


# Without a socket.


def test_a_good_key_is_a_principal_of_its_scopes_and_rate(home: Home) -> None:
    rate = Rate(burst=5, per_minute=6)
    own = home.store.create(KeyTerms((Scope.EXPLAIN, Scope.FORECAST), rate=rate))
    security = home.security()
    found = security.authenticate(bearer(own.token), None)
    assert found == Principal(own.record.id, own.record.id, frozenset({Scope.EXPLAIN, Scope.FORECAST}), rate)
    other = security.authenticate(bearer(home.tokens[Scope.ADMIN]), None)
    assert other.rate == Rate(burst=1000, per_minute=5e8)


def test_a_rotated_key_owns_what_the_first_one_owned_and_spends_for_itself(home: Home) -> None:
    first = home.store.create(KeyTerms((Scope.FINETUNE,)))
    second = home.store.rotate(first.record.id)
    third = home.store.rotate(second.record.id)
    security = home.security()
    found = [security.authenticate(bearer(key.token), None) for key in (first, second, third)]
    assert {one.owner for one in found} == {first.record.id}
    assert [one.key_id for one in found] == [key.record.id for key in (first, second, third)]
    stranger = home.store.create(KeyTerms((Scope.FINETUNE,)))
    assert home.security().authenticate(bearer(stranger.token), None).owner == stranger.record.id


def test_a_scope_includes_no_other(home: Home) -> None:
    with pytest.raises(Forbidden, match="lacks the scope metrics"):
        home.security().authorize(Scope.METRICS, bearer(home.tokens[Scope.ADMIN]), "127.0.0.1")


def test_failures_are_counted_by_address_and_by_the_network_of_one_owner_of_ipv6(home: Home) -> None:
    security = home.security()

    def fail(host: str | None) -> type[Exception]:
        with pytest.raises((Unauthorized, RateLimited), match="key") as caught:
            security.authenticate(None, host)
        return caught.type

    assert [fail(f"2001:db8::{number}") for number in range(6)] == [Unauthorized] * 5 + [RateLimited]
    assert fail("2001:db8:0:1::1") is Unauthorized
    assert fail("192.0.2.1") is Unauthorized
    assert [fail(None) for _ in range(6)][-1] is RateLimited


def test_a_key_pays_points_times_horizon(home: Home) -> None:
    security = home.security()
    spender = Principal("spender", "spender", frozenset({Scope.FORECAST}), Rate(burst=1000, per_minute=60))
    security.charge(spender, points=90, horizon=10)
    with pytest.raises(RateLimited, match="has spent what it may") as caught:
        security.charge(spender, points=11, horizon=10)
    assert caught.value.retry_after_seconds == 10
    with pytest.raises(CostTooHigh, match="101 points x 10 steps cost 1010, this key may spend 1000 at once"):
        security.charge(spender, points=101, horizon=10)


def test_without_authentication_everybody_may_do_everything_and_pays_nothing(tmp_path: Path) -> None:
    security = Security.of(Settings(home=tmp_path, authentication=False))
    for scope in Scope:
        assert security.authorize(scope, None, "127.0.0.1") is ANYBODY
    security.charge(ANYBODY, points=10**9, horizon=10**9)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_authentication_may_be_off_on_loopback(host: str) -> None:
    assert not Settings(host=host, authentication=False).authentication


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "localhost.example.org"])  # noqa: S104 - refused
def test_authentication_may_not_be_off_elsewhere(host: str) -> None:
    with pytest.raises(ConfigError, match=f"authentication: .*on a loopback address only, and host is {host}"):
        read_settings({"host": host, "authentication": False})


@pytest.mark.parametrize("pepper", ["changeme", "password", "x" * 31])
def test_a_weak_pepper_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, pepper: str) -> None:
    monkeypatch.setenv("FORECASTER_KEY_PEPPER", pepper)
    with pytest.raises(ConfigError, match=r"key_pepper: .*openssl rand -hex 32") as caught:
        read_settings({})
    assert pepper not in str(caught.value)
    with pytest.raises(ValidationError, match="key_pepper"):
        Settings()


def test_a_given_pepper_is_never_printed() -> None:
    assert "p" * 32 not in repr(Settings(key_pepper="p" * 32))


def test_an_open_file_of_keys_ends_the_start(home: Home) -> None:
    home.settings.resolved_keys_file().chmod(0o644)
    with pytest.raises(ConfigError, match=r"keys\.json has mode 0644"):
        create_app(home.settings)


# The sources.


def comparisons_of_secrets(source: str) -> list[str]:
    """Gives the comparisons by `==`, `!=` or `in` of anything named like a secret, except with None."""
    compares = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    found = []
    for node in compares:
        if not any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops):
            continue
        names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        names += [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
        if any(word in name.lower() for name in names for word in SECRET_NAMES):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    "path",
    [
        *(f"service/access/{name}.py" for name in ("keys", "key_ring", "security", "deliveries")),
        "forecaster/secret_files.py",
    ],
)
def test_no_secret_is_compared_but_in_constant_time(path: str) -> None:
    assert comparisons_of_secrets((ROOT / path).read_text()) == []


def test_secrets_are_compared_in_constant_time_somewhere() -> None:
    assert (ROOT / "service" / "access" / "key_ring.py").read_text().count("hmac.compare_digest(") == 1


def test_a_plain_comparison_of_secrets_is_found() -> None:
    plain = "record.digest == x\nx != token\nx in secrets_seen\nlen(pepper) < 3\nscheme == 'bearer'\ndigest is None"
    assert comparisons_of_secrets(plain) == ["record.digest == x", "x != token", "x in secrets_seen"]
