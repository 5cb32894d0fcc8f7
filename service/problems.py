"""Errors as HTTP is told of them: problem details, RFC 9457, or what a dialect says in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from forecaster.errors import ForecasterError
from forecaster.problem import problem_details
from service.answer_headers import answer_headers
from service.errors import MAX_FIELDS, InvalidFields, dialects, status_of
from service.request_id import request_id_of
from service.requests.media import JSON

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ANSWERED_AS = {"HEAD": "GET"}


def problem_body(scope: Scope, error: ForecasterError) -> dict[str, Any]:
    """Gives the RFC 9457 body for an error raised on purpose."""
    return _body(scope, status_of(error), error.code, error.without_settings, getattr(error, "fields", ()))


def problem_without_request(error: ForecasterError) -> dict[str, Any]:
    """Gives that body where no request is answered with it yet."""
    return _body(None, status_of(error), error.code, error.without_settings, getattr(error, "fields", ()))


def problem_again(scope: Scope, problem: Mapping[str, Any]) -> Response:
    """Gives the reply for an error that an earlier request ran into."""
    return _response(scope, {**problem, "request_id": request_id_of(scope)})


def problem_of(scope: Scope, error: ForecasterError) -> Response:
    """Gives the reply for an error raised on purpose."""
    seconds = getattr(error, "retry_after_seconds", None)
    again = {} if seconds is None else {"Retry-After": str(seconds)}
    return _response(scope, problem_body(scope, error), {**getattr(error, "headers", {}), **again})


def _body(
    scope: Scope | None, status: int, code: str, detail: str, fields: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Gives problem details; `fields` are those that are listed."""
    body = problem_details(code, detail, status, None if scope is None else request_id_of(scope))
    return {**body, "errors": list(fields)} if fields else body


def _response(scope: Scope, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    said = dialects.said(scope.get("path", ""), body)
    status, content, media_type = (body["status"], body, MEDIA_TYPE) if said is None else (*said, JSON)
    return Response(orjson.dumps(content), status, headers=headers, media_type=media_type)


def _allowed(app: FastAPI, scope: Scope) -> str:
    """Gives the methods that a path knows, of whichever of its routes: the router names those of the first one."""
    routes = app.router.routes
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**scope, "method": _ANSWERED_AS.get(method, method)})[0] is Match.FULL for route in routes
        )
    )


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem."""

    @app.exception_handler(ForecasterError)
    async def on_purpose(request: Request, error: ForecasterError) -> Response:
        return problem_of(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> Response:
        places = {e["loc"][0] for e in error.errors()}
        fields = [{"field": ".".join(map(str, e["loc"]))[:200], "message": str(e["msg"])[:200]} for e in error.errors()]
        detail = f"the {'path' if 'path' in places else 'query'} is not valid"
        body = _body(request.scope, 422, InvalidFields.code, detail, fields[:MAX_FIELDS])
        return _response(request.scope, body)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        headers = {"Allow": _allowed(app, request.scope)} if error.status_code == 405 else error.headers
        return _response(request.scope, _body(request.scope, error.status_code, code, str(error.detail)), headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, __: Exception) -> Response:
        body = _body(request.scope, 500, "internal", "an unexpected error occurred; it has been logged")
        reply = _response(request.scope, body)
        reply.raw_headers.extend(answer_headers(body["request_id"] or ""))  # no middleware adds them any more
        return reply
