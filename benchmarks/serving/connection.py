"""A keep-alive HTTP/1.1 connection of a load generator: raw requests out, parsed replies in, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import httptools

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The root of the server."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True)
class Reply:
    """A whole reply; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HalfReply(ConnectionError):
    """The connection ended in the middle of a reply."""


def http_request(
    address: Address, path: str, body: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS, method: str = "POST"
) -> bytes:
    """Gives a request as it goes over the wire; JSON unless the headers name another content type."""
    lines = {"host": f"{address.host}:{address.port}", "content-type": "application/json"}
    lines |= {name.lower(): value for name, value in headers.items()}
    lines["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


class Connection(asyncio.Protocol):
    """An open connection. `exchange` may be called again once its reply is there, while `is_open`."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._began = False
        self._renew()

    @classmethod
    async def open(cls, address: Address) -> Connection:
        """Connects; OSError where nobody listens."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, address.host, address.port)
        return connection

    async def exchange(self, request: bytes) -> Reply:
        """Sends a request and gives its reply.

        Raises HalfReply or ConnectionResetError where the connection ends before, and HttpParserError for what is
        no HTTP. After an error, and where it is cancelled, the connection is closed.
        """
        assert self._transport is not None and self._waiting is None, "one exchange at a time on an open connection"
        self._waiting = asyncio.get_running_loop().create_future()
        self._began = False
        self._transport.write(request)
        try:
            return await self._waiting
        except BaseException:
            self.close()
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        """Closes at once, whatever is under way."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True

    def data_received(self, data: bytes) -> None:
        """Is called by asyncio."""
        self._began = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Is called by asyncio."""
        self.is_open = False
        self._end(HalfReply("the reply is cut off") if self._began else ConnectionResetError("no reply"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Is called by the parser."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Is called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Is called by the parser."""
        reply = Reply(self._parser.get_status_code(), self._headers, b"".join(self._body))
        self.is_open = self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)
        self._renew()
        if not self.is_open:
            self.close()

    def _renew(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def _end(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
