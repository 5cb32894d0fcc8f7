"""The id of a request, in replies, problems and logs: the client's own where it is usable, else one made here."""

from __future__ import annotations

import os
import re
import secrets
from contextvars import ContextVar
from functools import lru_cache
from itertools import count

from starlette.types import Scope

HEADER = b"x-request-id"

_USABLE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_numbers = count()
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def assign_request_id(scope: Scope) -> bytes:
    """Gives the id of a request that begins, and keeps it in the scope and for the logs of its task."""
    sent = next((value for name, value in scope["headers"] if name == HEADER), b"")
    found = sent if _USABLE.fullmatch(sent) else new_request_id()
    text = found.decode("ascii")
    scope["request_id"] = text
    _current.set(text)
    return found


def new_request_id() -> bytes:
    """Gives an id that no other request has: a random one of this process, and a number.

    It is a name and no secret; randomness for every request would cost as much time as checking its fields.
    """
    return b"%b-%d" % (_process_id(os.getpid()), next(_numbers))


@lru_cache(maxsize=4)
def _process_id(_: int) -> bytes:
    """Gives the random part; a forked worker makes its own."""
    return secrets.token_hex(6).encode()


def request_id_of(scope: Scope) -> str | None:
    """Gives the id of a request, None before one is assigned."""
    found: str | None = scope.get("request_id")
    return found


def current_request_id() -> str | None:
    """Gives the id of the request that this task answers, None where it answers none."""
    return _current.get()
