"""What every dialect does with a request: the steps of POST /v1/forecast, with its own way to read and to write."""

from __future__ import annotations

from asyncio import to_thread
from typing import Protocol

from fastapi import Request
from starlette.responses import Response

from service.answers.forecast import answered
from service.app_state import service_of
from service.requests.asked import Asked
from service.requests.connection import arrival, read_body, while_connected
from service.requests.media import JSON
from service.requests.reply import Answer
from service.routes.forecast import charge


class Dialect(Protocol):
    """How one request of a protocol is read, and its answer written."""

    async def understood(self, body: bytes, expires: float) -> Asked:
        """Gives what a body asks, until `expires` in monotonic time; every problem of its making is found here."""

    def encoded(self, asked: Asked, answer: Answer) -> bytes:
        """Gives the whole reply as JSON."""

    def headers(self, answer: Answer) -> dict[str, str]:
        """Gives what the protocol has no place for in its reply."""


async def answer_in(dialect: Dialect, request: Request) -> Response:
    """Admits, reads, charges and answers one request."""
    scope, service = request.scope, service_of(request.scope)
    expires = service.admission.expires(request.headers, arrival(scope))

    async def write(asked: Asked, answer: Answer, _: str) -> tuple[bytes, dict[str, str]]:
        return await to_thread(dialect.encoded, asked, answer), dialect.headers(answer)

    with service.admission.admitted(expires):
        body = await read_body(request.headers, request.receive, service.settings.max_body_bytes, expires)
        async with while_connected(request.receive):
            asked = await dialect.understood(body, expires)
            charge(scope, asked)
            return await answered(service, asked, JSON, write)
