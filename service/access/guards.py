"""The guards of routes: each asks who is there before a byte of the body is read.

A FastAPI route declares its scope by `dependencies=[requires(Scope.METRICS)]`, an endpoint that is an ASGI
application by `Guarded(application, Scope.FORECAST)`. Both leave the principal at `request.state.principal`.
A route that reads its body through parameters of FastAPI has it read before any dependency runs: take `Guarded`,
or read the stream in a dependency, which runs after those of `dependencies`.
What MLflow calls has no key, and a signature over its body instead: `dependencies=[requires_delivery()]`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import Depends, Request
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette import types as asgi
from starlette.routing import BaseRoute

from service.access.deliveries import MAX_BODY_BYTES, SIGNATURE_HEADER
from service.access.keys import Scope
from service.access.security import Principal, security_of
from service.errors import ServiceError, dialects
from service.page import paths
from service.problems import problem_of
from service.requests.connection import read_body

PUBLIC_PATHS = frozenset(
    {"/livez", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static-offline-docs"}
    | {paths.PAGE, paths.FILES}
    | {dialects.PING, dialects.HEALTH, *(f"{dialects.OPEN_INFERENCE}/v2/health/{what}" for what in ("live", "ready"))}
)


class Guarded:
    """An ASGI application that answers only who may; what it wraps finds the principal in `scope["state"]`."""

    def __init__(self, application: asgi.ASGIApp, scope: Scope) -> None:
        self.scope = scope
        self._application = application

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answers a refusal itself, without a look at the body."""
        try:
            _admit(scope, self.scope)
        except ServiceError as error:
            await problem_of(scope, error)(scope, receive, send)
        else:
            await self._application(scope, receive, send)


class RequiredScope(SecurityBase):
    """A dependency that lets only keys with a scope pass, and tells OpenAPI so."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.scheme_name = "key"
        self.model = HTTPBearer(description="An API key: fk_...")

    async def __call__(self, request: Request) -> Principal:
        """Gives who asks."""
        return _admit(request.scope, self.scope)


def requires(scope: Scope) -> Any:
    """Gives the dependency by which a route or a router declares its scope."""
    return Depends(RequiredScope(scope))


class RequiredDelivery(SecurityBase):
    """A dependency that lets only deliveries of MLflow's webhooks pass, and tells OpenAPI so. It reads the body."""

    def __init__(self) -> None:
        self.scheme_name = "delivery"
        description = "An HMAC of id, timestamp and body, as MLflow makes it."
        self.model = APIKey(**{"in": APIKeyIn.header}, name=SIGNATURE_HEADER, description=description)

    async def __call__(self, request: Request) -> None:
        """Returns for a good one."""
        # The edge alone says how long a body may take.
        body = await read_body(request.headers, request.receive, MAX_BODY_BYTES, expires=math.inf)
        client = request.client
        security_of(request.scope).accept_delivery(request.headers, body, client.host if client else None)


def requires_delivery() -> Any:
    """Gives the dependency by which a route declares that MLflow alone may call it, as a webhook."""
    return Depends(RequiredDelivery())


def unguarded(routes: Sequence[BaseRoute]) -> list[str]:
    """Names the routes that are neither public nor guarded before their body is read; it should be empty."""
    found = []
    for route in iter_route_contexts(routes):
        reads_early = getattr(route, "body_field", None) is not None
        is_guarded = declared_scope(route) is not None or takes_deliveries(route)
        if route.path not in PUBLIC_PATHS and (not is_guarded or reads_early):
            found.append(str(route.path))
    return found


def declared_scope(route: RouteContext) -> Scope | None:
    """Gives the scope that a route declares."""
    if isinstance(route.endpoint, Guarded):
        return route.endpoint.scope
    return next((one.scope for one in _dependencies(route) if isinstance(one, RequiredScope)), None)


def takes_deliveries(route: RouteContext) -> bool:
    """Says whether a route is for deliveries of webhooks, which show a signature and no key."""
    return any(isinstance(one, RequiredDelivery) for one in _dependencies(route))


def _dependencies(route: RouteContext) -> Iterator[object]:
    return (one.dependency for one in getattr(route, "dependencies", None) or ())


def _admit(scope: asgi.Scope, wanted: Scope) -> Principal:
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), None)
    client = scope.get("client")
    principal = security_of(scope).authorize(wanted, header, client[0] if client else None)
    scope.setdefault("state", {})["principal"] = principal
    return principal
