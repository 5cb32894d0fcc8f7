"""An answer -> the bytes of a reply, in the media type that is wanted; beside the event loop where that takes long."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from typing import Any, TypeVar

from service.requests import reply
from service.requests.asked import Asked
from service.requests.media import TABLES
from service.requests.reply import Answer
from service.tables import reply as table_reply

MANY_NUMBERS = 1 << 14  # a reply with more is put together beside the event loop

T = TypeVar("T")


async def written(asked: Asked, answer: Answer, media_type: str) -> tuple[bytes, dict[str, str]]:
    """Gives a reply as bytes, and the headers that only its media type has."""
    if media_type in TABLES:
        content = await to_thread(table_reply.encoded, media_type, asked.request, answer, asked.table)
        return content, table_reply.headers_of(answer)
    return await beside(asked.num_numbers > MANY_NUMBERS, reply.encoded, asked.request, answer), {}


async def beside(is_large: bool, function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function: at once, or where it takes long in a thread, so that the event loop stays free."""
    return await to_thread(function, *arguments) if is_large else function(*arguments)
