"""Clients for the measurements: load that notes how each request ended, and sockets that behave badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from benchmarks.reliability.serving import forecast_body

_TIMEOUT_SECONDS = 30.0


@dataclass
class Outcomes:
    """How requests ended: 'answered', 'shed' (503 with Retry-After), 'refused' (no connection), 'failed: ...'."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of those answered
    failed_at: list[float] = field(default_factory=list)  # monotonic times

    @property
    def num_failed(self) -> int:
        """Requests that were started and got neither a whole 200 nor a 503 with Retry-After."""
        return sum(count for how, count in self.counts.items() if how.startswith("failed"))

    def percentile_ms(self, percent: float) -> float:
        """Gives a percentile of the time to answer, in milliseconds."""
        return round(1e3 * float(np.percentile(self.seconds, percent)), 2)


def forecast_bytes(close: bool = False) -> bytes:
    """Gives a whole forecast request."""
    body = json.dumps(forecast_body()).encode()
    lines = ["POST /v1/forecast HTTP/1.1", "Host: measured", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(["Connection: close"] if close else []), "", ""]
    return "\r\n".join(lines).encode() + body


def half_sent(num_bytes_missing: int = 10) -> bytes:
    """Gives a forecast request without its end."""
    return forecast_bytes()[:-num_bytes_missing]


@contextmanager
def beside(works: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Runs works in threads until the end of the block, at which the event is set that each of them is given."""
    ended = threading.Event()
    threads = [threading.Thread(target=work, args=(ended,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(_TIMEOUT_SECONDS)


@contextmanager
def load(address: tuple[str, int], num_clients: int, pause_seconds: float = 0.0) -> Iterator[Outcomes]:
    """Runs clients that ask for forecasts over connections that they keep, until the end of the block."""
    outcomes = Outcomes()
    with beside([lambda ended: _ask(address, outcomes, ended, pause_seconds)] * num_clients):
        yield outcomes


def _ask(address: tuple[str, int], outcomes: Outcomes, stop: threading.Event, pause_seconds: float) -> None:
    request, connection = forecast_bytes(), None
    while not stop.is_set():
        if connection is None:
            try:
                connection = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
            except OSError:
                outcomes.counts["refused"] += 1
                stop.wait(0.02)
                continue
        begin = time.monotonic()
        how, keeps_open = _exchange(connection, request)
        outcomes.counts[how] += 1
        if how == "answered":
            outcomes.seconds.append(time.monotonic() - begin)
        elif how.startswith("failed"):
            outcomes.failed_at.append(time.monotonic())
        if not keeps_open:
            connection.close()
            connection = None
        stop.wait(pause_seconds)
    if connection is not None:
        connection.close()


def _exchange(connection: socket.socket, request: bytes) -> tuple[str, bool]:
    """Sends a request; gives how it ended, and whether the connection can be used again."""
    received = bytearray()
    try:
        connection.sendall(request)
        while b"\r\n\r\n" not in received:
            received += _more(connection)
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        fields = _fields(head)
        while len(body) < int(fields["content-length"]):
            body += _more(connection)
    except (OSError, EOFError) as error:
        # A server that ends between two requests closes connections that no request was read from.
        return f"failed: {type(error).__name__} after {len(received)} bytes", False
    keeps_open = fields.get("connection") != "close"
    status = head.split(b" ", 2)[1].decode()
    if status == "200":
        return "answered", keeps_open
    return ("shed" if status == "503" and "retry-after" in fields else f"failed: {status}"), keeps_open


def _more(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 16)
    if not part:
        raise EOFError
    return part


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines)}


@contextmanager
def stuck_sockets(address: tuple[str, int], number: int) -> Iterator[list[socket.socket]]:
    """Opens connections that do not go on: a third silent, a third within the headers, a third within the body."""
    sockets = []
    try:
        for place in range(number):
            one = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
            sockets.append(one)
            one.sendall((b"", b"POST /v1/forecast HTTP/1.1\r\nHost: mea", half_sent())[place % 3])
        yield sockets
    finally:
        for one in sockets:
            one.close()


def drip(sockets: list[socket.socket], piece: bytes = b"x") -> None:
    """Sends a little more over each connection that is still open."""
    for one in sockets:
        with suppress(OSError):
            one.send(piece)


def has_ended(connection: socket.socket) -> bool:
    """Says whether the other side has ended the connection, reading what it sent before that."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
