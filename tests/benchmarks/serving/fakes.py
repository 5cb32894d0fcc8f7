"""A small HTTP server that answers as it is told, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from benchmarks.serving.connection import Address

Answer = Callable[[int, bytes], bytes | None]  # number and body of a request -> what is written; None: nothing, ever


def reply(body: bytes = b"{}", status: int = 200, headers: str = "") -> bytes:
    """A whole reply as it goes over the wire."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class FakeServer:
    """Counts its connections and keeps the bodies it was sent."""

    def __init__(self, answer: Answer, *, closes: bool = False) -> None:
        self.num_connections = 0
        self.bodies: list[bytes] = []
        self._answer, self._closes = answer, closes
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Address]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield Address(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.num_connections += 1
        try:
            while True:
                await self._exchange(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.bodies.append(await reader.readexactly(length))
        answer = self._answer(len(self.bodies) - 1, self.bodies[-1])
        if answer is None:
            await asyncio.Event().wait()
        else:
            writer.write(answer)
            await writer.drain()
        if self._closes:
            raise ConnectionError
