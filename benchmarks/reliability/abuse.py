"""Requests made to eat memory: bodies in a million chunks, bodies beyond the limit, headers without an end (T10).

Resident memory is compared after a first round of each kind and after all of them: the first 25 bodies in chunks fill
the allocator's pools, by some 3 MiB, which the record tells apart from what grows.
Bodies in chunks are valid requests followed by spaces, and have to be answered. The control is the same application
under uvicorn as it comes, with the headers alone: it keeps them for as long as the client likes.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.reliability.command import run_command
from benchmarks.reliability.serving import Serving, forecast_body, home_with_model, serving

CONTROL = (sys.executable, "-m", "benchmarks.reliability.control")
MAX_GROWTH_BYTES = 1 << 20
_MAX_BODY_BYTES = 2 << 20
_HEAD_BYTES = 16 << 20
_NUM_HEADS = 8
_POST = b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"

Send = Callable[[Serving], str]


@dataclass(frozen=True)
class Abuse:
    """How much of it."""

    num_bodies: int
    num_chunks: int
    num_before: int  # bodies of the first round


FULL = Abuse(100, 1_000_000, 25)
SHORT = Abuse(5, 100_000, 5)


def chunked_body(num_chunks: int) -> Send:
    """Gives what sends a valid request in chunks of one byte."""
    body = json.dumps(forecast_body()).encode().ljust(num_chunks)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    request = _POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    return lambda service: _status(service, request)


def oversize_body(service: Serving) -> str:
    """Sends twice the allowed bytes without having announced them."""
    piece = b"10000\r\n" + b" " * (1 << 16) + b"\r\n"
    return _status(
        service, _POST + b"Transfer-Encoding: chunked\r\n\r\n" + piece * (2 * _MAX_BODY_BYTES >> 16) + b"0\r\n\r\n"
    )


def growth(service: Serving, send: Send, abuse: Abuse) -> tuple[int, int, Counter[str]]:
    """Gives by how many bytes resident memory grows in the first round and after it, and how the requests ended."""
    begun = _settled_bytes(service)
    for _ in range(abuse.num_before):
        send(service)
    before = _settled_bytes(service)
    outcomes = Counter(send(service) for _ in range(abuse.num_bodies))
    return before - begun, _settled_bytes(service) - before, outcomes


def growth_by_heads(service: Serving) -> int:
    """Gives by how many bytes resident memory grows while clients send headers that do not end."""
    before = _settled_bytes(service)
    sockets = [socket.create_connection(service.address, timeout=30) for _ in range(_NUM_HEADS)]
    for one in sockets:
        with suppress(OSError):
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * _HEAD_BYTES)
    grown = _settled_bytes(service) - before
    for one in sockets:
        one.close()
    return grown


def measure(abuse: Abuse) -> dict[str, object]:
    """Abuses the service, and the control with headers."""
    with home_with_model() as home:
        with serving(home, max_body_bytes=_MAX_BODY_BYTES) as service:
            first_chunks, by_chunks, chunk_outcomes = growth(service, chunked_body(abuse.num_chunks), abuse)
            first_size, by_size, size_outcomes = growth(service, oversize_body, abuse)
            growth_by_heads(service)
            by_heads = growth_by_heads(service)
        with serving(home, command=CONTROL) as service:
            control = growth_by_heads(service)
    return {
        "bodies": abuse.num_bodies,
        "chunks_per_body": abuse.num_chunks,
        "first_round": abuse.num_before,
        "chunked_first_growth_kib": first_chunks >> 10,
        "chunked_growth_kib": by_chunks >> 10,
        "chunked_outcomes": dict(chunk_outcomes),
        "oversize_first_growth_kib": first_size >> 10,
        "oversize_growth_kib": by_size >> 10,
        "oversize_outcomes": dict(size_outcomes),
        "heads": _NUM_HEADS,
        "head_mib": _HEAD_BYTES >> 20,
        "heads_growth_kib": by_heads >> 10,
        "control_heads_growth_kib": control >> 10,
    }


def _settled_bytes(service: Serving) -> int:
    """Gives resident memory, the least of several looks, once the service answers again."""
    sizes = []
    for _ in range(5):
        time.sleep(0.2)
        sizes.append(service.resident_bytes())
    return min(sizes)


def _status(service: Serving, request: bytes) -> str:
    """Sends a request; gives the status of its answer, 'reset' where there was none."""
    received = b""
    with socket.create_connection(service.address, timeout=60) as connection:
        with suppress(OSError):
            connection.sendall(request)
        with suppress(OSError):
            while part := connection.recv(1 << 16):
                received += part
    return received.split(b" ", 2)[1].decode() if received else "reset"


def main() -> None:
    """Prints the record; --short sends 5 bodies of 100,000 chunks instead of 100 of a million."""
    run_command("abuse", __doc__, lambda short: measure(SHORT if short else FULL))


if __name__ == "__main__":
    main()
