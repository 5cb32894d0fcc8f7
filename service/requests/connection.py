"""What a client's connection does while its request is answered: it sends the body, and it may go away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from service.errors import AmbiguousLength, BodyIncomplete, BodyTooLarge, ClientGone, RequestTooSlow

_DISCONNECT = "http.disconnect"


def arrival(scope: Scope) -> float:
    """Gives when the first byte of a request arrived, in monotonic time: now, where the server does not say it."""
    arrived: float | None = scope.get("state", {}).get("arrived")
    return time.monotonic() if arrived is None else arrived


async def read_body(headers: Headers, receive: Receive, limit: int, expires: float) -> bytes:
    """Reads the body, and stops where it exceeds `limit` bytes or where a part of it comes later than `expires`."""
    declared = headers.get("content-length", "")
    if declared and "transfer-encoding" in headers:
        raise AmbiguousLength("both Content-Length and Transfer-Encoding are given: send one of them")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"the body has {declared} bytes, at most {limit} are allowed")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == _DISCONNECT:
            raise BodyIncomplete("the client went away before its body ended")
        if time.monotonic() > expires:
            raise RequestTooSlow("the body did not arrive in the time that the request allows")
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes")
        if not message.get("more_body", False):
            return bytes(body)


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Runs the block, whose request has been read, and ends it with ClientGone as soon as the client goes away."""
    task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment] # a request runs in a task
    is_gone = False

    def give_up(watcher: asyncio.Task[Any]) -> None:
        nonlocal is_gone
        if not watcher.cancelled():
            is_gone = True
            task.cancel()

    watcher: asyncio.Task[Any] = asyncio.ensure_future(receive())
    watcher.add_done_callback(give_up)
    try:
        yield
    except asyncio.CancelledError:
        if not is_gone:
            raise
        task.uncancel()
        raise ClientGone("the client went away before it was answered") from None
    finally:
        watcher.remove_done_callback(give_up)
        watcher.cancel()
