"""Entries that are ready in the same turn of the event loop, written down by one call of the system.

Forecasts that shared a forward pass come back together. A call for each would hand the interpreter to the inference
thread each time, and wait for it: that takes five times as long as the writing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from service.ledger.journal import Parts


class Together:
    """Gathers entries of one event loop and has `write` write all of them, once what else is ready has run."""

    def __init__(self, write: Callable[[Sequence[Parts]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[Parts, asyncio.Future[None]]] = []

    async def written(self, entry: Parts) -> None:
        """Comes back once the entry stands written; raises what `write` raises, which then wrote none of them."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._write_all)
        done = loop.create_future()
        self._waiting.append((entry, done))
        await done

    def _write_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        failure: Exception | None = None
        try:
            self._write([entry for entry, _ in waiting])
        except Exception as error:  # noqa: BLE001 - told to each that waits
            failure = error
        for _, done in waiting:
            if done.done():  # whoever waited has been cancelled
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)
