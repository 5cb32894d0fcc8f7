"""One request and its answer on a connection: uvicorn's, with the problems and the manners of this service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.answer_headers import answer_headers
from service.errors import ServiceError
from service.problems import problem_of
from service.request_id import new_request_id, request_id_of

if TYPE_CHECKING:
    from service.edge.protocol import EdgeProtocol

log = logging.getLogger("service.edge.server")


class Outgoing:
    """The transport as an answer sees it: closing it lets the client read first, and a head may wait for its body.

    Written at once both are one packet, and wake the client once.
    """

    __slots__ = ("_held", "_holds", "_write", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._write = transport.write
        self._holds, self._held = False, b""
        self.is_closing = transport.is_closing
        self.close = close

    def hold(self) -> None:
        """Keeps what is written next until something follows it."""
        self._holds = True

    def write(self, data: bytes) -> None:
        """Writes bytes, after those that were held."""
        if self._holds:
            self._holds, self._held = False, data
        else:
            self._write(self._held + data)
            self._held = b""


class Answer(RequestResponseCycle):
    """A request that is being answered."""

    def __init__(self, connection: EdgeProtocol, outgoing: Outgoing, keeps_open: bool) -> None:
        super().__init__(
            scope=connection.scope,
            transport=outgoing,  # type: ignore[arg-type]
            flow=connection.flow,
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=connection.expect_100_continue,
            keep_alive=keeps_open,
            on_response=connection.on_response_complete,
        )
        self._connection, self._outgoing = connection, outgoing
        self._is_framed = True

    async def send(self, message: Any) -> None:
        """Sends a part of the answer, and says in its head whether it is the last one of the connection."""
        if not self.response_started:
            if self._connection.is_last(self):
                self.keep_alive = False
            if self.scope["http_version"] == "1.0" and not _tells_length(message.get("headers", ())):
                self._is_framed = self.chunked_encoding = False  # such a client knows no chunks: it reads to the end
            if self.scope["method"] != "HEAD":  # all others have a body, be it empty
                self._outgoing.hold()
        elif not self._is_framed:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

    async def run_asgi(self, app: Callable[..., Awaitable[None]]) -> None:
        """Runs the application; whatever it does, the client gets a whole answer or sees the connection end."""
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            log.info("request_cancelled")
        except Exception:
            log.exception("application_failed")
        if not self.response_started:
            await self._fail()
        elif not self.response_complete and not self.disconnected:
            self.transport.close()

    def drop(self) -> None:
        """Tells the application that the client is gone, and drops whatever it still answers."""
        self.disconnected = True
        self.message_event.set()

    async def _fail(self) -> None:
        request_id = request_id_of(dict(self.scope)) or new_request_id().decode("ascii")
        reply = _problem(request_id, ServiceError("an unexpected error occurred; it has been logged"))
        await self.send({"type": "http.response.start", "status": reply.status_code, "headers": reply.raw_headers})
        await self.send({"type": "http.response.body", "body": reply.body})


def _tells_length(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"content-length" for name, _ in headers)


def last_words(error: ServiceError) -> bytes:
    """Gives a problem as the bytes of a whole answer after which the connection ends."""
    reply = _problem(new_request_id().decode("ascii"), error)
    lines = [name + b": " + value for name, value in (*reply.raw_headers, (b"connection", b"close"))]
    return STATUS_LINE[reply.status_code] + b"\r\n".join([*lines, b"", bytes(reply.body)])


def _problem(request_id: str, error: ServiceError) -> Response:
    """Gives a problem with the headers that telemetry adds to what the application answers."""
    reply = problem_of({"request_id": request_id}, error)
    reply.raw_headers.extend(answer_headers(request_id))
    return reply
