"""Asking a database that may hang, from the event loop: in threads of its own, for no longer than a caller waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.errors import DeadlineExceeded, LedgerDown

T = TypeVar("T")

_NUM_THREADS = 4  # a database that hangs takes no thread of anybody else
_SILENT_SECONDS = 5.0  # a database that says nothing for so long is down


class Asking:
    """The threads in which one part of an application asks a database."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix=name)

    async def answer(self, call: Callable[[], T], expires: float) -> T:
        """Gives what a call gives, or raises, until `expires`, in monotonic time.

        LedgerDown where that time is over; DeadlineExceeded where it was so short that the silence says nothing of
        the database. What has not begun by then is not done any more, and nothing that it holds is kept.
        """
        allowed = max(0.0, expires - time.monotonic())
        waiting = [call]
        answer = asyncio.get_running_loop().run_in_executor(self._threads, _first_of, waiting)
        try:
            return await asyncio.wait_for(answer, allowed)
        except TimeoutError as error:
            if allowed < _SILENT_SECONDS:
                raise DeadlineExceeded(
                    "the time that the request allows was over before the ledger answered"
                ) from error
            raise LedgerDown("the ledger's database did not answer in time") from error
        finally:
            waiting.clear()  # it stays in the queue of the threads, with a request of megabytes maybe

    def close(self) -> None:
        """Ends the threads, but for those that wait for the database."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _first_of(waiting: list[Callable[[], T]]) -> T:
    try:
        call = waiting.pop()
    except IndexError:
        raise TimeoutError from None  # it was given up just now; nobody hears this
    return call()
