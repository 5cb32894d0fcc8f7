"""Who is let in: decided before the body is read, from how long the work that waits is expected to take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers

from service.compute.batcher import Batcher
from service.errors import DeadlineExceeded, InvalidHeader, Overloaded
from service.settings import Settings

DEADLINE_HEADER = "x-request-deadline-ms"

# Of the time that a request has left, what may pass before its turn. The rest is for its own batch, and for others
# that take the processor meanwhile: what is let in and then answered too late was computed for nobody.
_QUEUE_SHARE = 0.5


class Admission:
    """Bounds the requests that are under way, and the time that they wait."""

    def __init__(self, settings: Settings, batcher: Batcher) -> None:
        self._settings = settings
        self._batcher = batcher
        self._num_requests = 0

    def expires(self, headers: Headers, arrived: float) -> float:
        """Gives when a request has to be answered whose first byte `arrived` then, both in monotonic time.

        That is as its header says, or after `deadline_seconds`, which is also the longest. InvalidHeader for a value
        that is no whole number of milliseconds, 1 or more.
        """
        longest = self._settings.deadline_seconds
        given = headers.get(DEADLINE_HEADER)
        if given is None:
            return arrived + longest
        if not (given.isascii() and given.isdigit() and 1 <= len(given) <= 9 and int(given) >= 1):
            raise InvalidHeader(f"{DEADLINE_HEADER} wants a whole number of milliseconds, 1 or more")
        return arrived + min(longest, int(given) / 1000)

    @contextmanager
    def admitted(self, expires: float) -> Iterator[None]:
        """Holds a place while a request is answered.

        Overloaded where its turn would come too late, DeadlineExceeded where its time is over already.
        """
        backlog, left = self._batcher.backlog_seconds, expires - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the time that the request allows was over when its head had arrived")
        allowed = min(self._settings.max_queue_seconds, _QUEUE_SHARE * left)
        if backlog > allowed or self._num_requests >= self._settings.max_requests:
            raise Overloaded("more requests wait than can be answered in time", self._batcher.retry_after_seconds)
        self._num_requests += 1
        try:
            yield
        finally:
            self._num_requests -= 1
