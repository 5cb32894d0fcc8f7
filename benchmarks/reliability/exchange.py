"""Raw bytes to a service and the replies to them, for requests that no HTTP client would send."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Reply:
    """One reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Exchange:
    """What came back over one connection until its end."""

    replies: tuple[Reply, ...]
    seconds: float
    is_http: bool = True  # False where something came that cannot be read as replies
    is_over: bool = True  # False where the server left the connection open

    @property
    def first(self) -> Reply | None:
        """The first reply; None where the connection ended without one."""
        return self.replies[0] if self.replies else None


def request_bytes(
    body: bytes, headers: Iterable[tuple[str, str]], method: str = "POST", path: str = "/v1/forecast"
) -> bytes:
    """Gives a request after whose answer the connection ends."""
    lines = [f"{method} {path} HTTP/1.1", "Host: measured", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def exchange(
    address: tuple[str, int],
    sent: bytes,
    *,
    hangs_up: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> Exchange:
    """Sends bytes over a connection of their own and reads until it ends.

    `hangs_up`: this side is closed after the last byte.
    """
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection(*address, limit=1 << 22)
    received, is_over = bytearray(), False
    try:
        async with asyncio.timeout(timeout):
            sending = asyncio.create_task(_send(writer, sent, hangs_up))
            while part := await _part(reader):
                received += part
            is_over = True
            sending.cancel()
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()
    seconds = time.monotonic() - begin
    replies, is_http = replies_in(bytes(received), is_head=sent.startswith(b"HEAD "))
    return Exchange(replies, seconds, is_http, is_over)


def replies_in(received: bytes, *, is_head: bool = False) -> tuple[tuple[Reply, ...], bool]:
    """Gives the replies that bytes hold one after the other, and whether all of the bytes could be read so."""
    source, replies = _Source(received), []
    try:
        while not source.is_read:
            response = HTTPResponse(source, method="HEAD" if is_head else "GET")  # type: ignore[arg-type]
            response.begin()
            body = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            replies.append(Reply(response.status, headers, body))
    except (HTTPException, ValueError, OSError):
        return tuple(replies), False
    return tuple(replies), True


class _Source:
    """Stands in for the socket that `http.client` reads from."""

    def __init__(self, received: bytes) -> None:
        self._file = _Open(received)
        self._size = len(received)

    @property
    def is_read(self) -> bool:
        """True where nothing is left."""
        return self._file.tell() >= self._size

    def makefile(self, *_: Any) -> io.BytesIO:
        """Is called by `http.client`."""
        return self._file


class _Open(io.BytesIO):
    """A file that the end of one reply does not close."""

    def close(self) -> None:
        """Does nothing."""


async def _send(writer: asyncio.StreamWriter, sent: bytes, hangs_up: bool) -> None:
    try:
        writer.write(sent)
        await writer.drain()
        if hangs_up:
            writer.write_eof()
    except OSError:  # the server need not read what follows its refusal
        pass


async def _part(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1 << 16)
    except OSError:
        return b""
