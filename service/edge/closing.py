"""How a connection ends: the client can read its answer, and cannot keep the connection open by not doing so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

LINGER_SECONDS = 2.0
_LEAST_READ = 1 << 20  # bytes of an answer, or all that is left of it, in the time that a client has to read


class Deadline:
    """A timer that is set, taken back, or runs out; setting one that is set changes nothing."""

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, overdue: Callable[[], None]) -> None:
        """Calls `overdue` in so many seconds unless it is cleared before."""
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._run_out, overdue)

    def clear(self) -> None:
        """Takes the deadline back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run_out(self, overdue: Callable[[], None]) -> None:
        self._timer = None
        overdue()


class Closing:
    """The ways to end one connection.

    A socket that is closed with bytes unread resets the connection, and the reset may overtake the answer. So where a
    client is still sending, only our side ends at first, and what then comes is dropped for a while: many clients read
    nothing before they have sent everything.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, write_seconds: float) -> None:
        self._transport = transport
        self._write_seconds = write_seconds
        self._reading = Deadline(loop)  # of the client
        self._lingering = Deadline(loop)
        self.is_lingering = False

    def expect_reading(self) -> None:
        """Gives the client `write_seconds` to read what was written, and again while it reads on; else it is cut."""
        self._reading.set(self._write_seconds, partial(self._look, self._transport.get_write_buffer_size()))

    def _look(self, num_unread: int) -> None:
        if self._transport.get_write_buffer_size() > num_unread - _LEAST_READ:
            self._transport.abort()
        else:
            self.expect_reading()

    def has_read(self) -> None:
        """Takes that deadline back."""
        self._reading.clear()

    def close(self) -> None:
        """Closes once what was written is sent."""
        if self._transport.get_write_buffer_size():
            self.expect_reading()
        self._transport.close()

    def linger(self) -> None:
        """Ends our side, and waits until the client ends its own, or `LINGER_SECONDS` are over."""
        if self._transport.is_closing():
            return
        self.is_lingering = True
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._transport.get_write_buffer_size():
            self.expect_reading()
        self._lingering.set(LINGER_SECONDS, self.close)

    def lost(self) -> None:
        """Clears all deadlines."""
        self._reading.clear()
        self._lingering.clear()
