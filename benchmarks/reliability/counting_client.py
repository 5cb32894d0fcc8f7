"""A client that counts how its requests ended, named as the service's metrics name them."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from benchmarks.reliability.mixed_requests import REQUEST_ID, Sending

TIMEOUT_SECONDS = 30.0
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Outcome = tuple[str, ...]  # route, method and status, or the code of a refusal


@dataclass(frozen=True)
class Reply:
    """What of a reply the counts need."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Client:
    """Sends, reads and counts."""

    address: tuple[str, int]
    seen: Counter[Outcome] = field(default_factory=Counter)

    def send(self, sending: Sending) -> list[Reply]:
        """Sends over a connection of its own; gives the replies, which may be fewer than the requests."""
        with socket.create_connection(self.address, timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(sending.data)
            if sending.leaves_as is not None:
                self._leave(sending, sending.leaves_as)
                return []
            return self.read(connection, sending)

    def _leave(self, sending: Sending, status: int) -> None:
        for method, route in sending.requests:
            self.seen[route, method, str(status)] += 1

    def read(self, connection: socket.socket, sending: Sending) -> list[Reply]:
        """Reads and counts the replies to what was sent, until the connection ends."""
        replies = []
        with connection.makefile("rb") as stream:
            for method, route in sending.requests:
                reply = read_reply(stream, method)
                self.seen[outcome(reply, method, route)] += 1
                replies.append(reply)
                if reply.headers.get("connection") == "close":
                    break
        return replies


def outcome(reply: Reply, method: str, route: str) -> Outcome:
    """Gives what a client counts for a reply: of the application, or of the edge, which names requests by itself."""
    if reply.headers.get("x-request-id") != REQUEST_ID:
        return (str(json.loads(reply.body)["code"]),)
    return route, method if method in _KNOWN_METHODS else "other", str(reply.status)


def read_reply(stream: BinaryIO, method: str) -> Reply:
    """Reads one reply; EOFError where there is none."""
    status_line = stream.readline()
    if not status_line:
        raise EOFError("the connection ended without a reply")
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip().lower()
    is_chunked = headers.get("transfer-encoding") == "chunked"
    if method == "HEAD":
        body = b""
    else:
        body = _chunks(stream) if is_chunked else stream.read(int(headers.get("content-length", "0")))
    return Reply(int(status_line.split(b" ")[1]), headers, body)


def _chunks(stream: BinaryIO) -> bytes:
    body = bytearray()
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return bytes(body)
