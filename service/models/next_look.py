"""When the registry is looked at next: after a pause, or as soon as somebody knows that it has changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_LEAST_SECONDS = 1.0


class NextLook:
    """What the task that follows the registry waits for. However many ask, and however often, they get one look."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Asks for a look that begins after this call."""
        self._asked.set()

    async def wait(self, pause_seconds: float) -> None:
        """Waits for the end of the pause or for somebody to ask, but for a second at least, or that pause."""
        least = min(_LEAST_SECONDS, pause_seconds)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), pause_seconds - least)
        self._asked.clear()
