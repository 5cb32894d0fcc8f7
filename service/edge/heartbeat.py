"""The heartbeat of a worker: its event loop beats again and again, and its parent notices when it does not.

worker's loop ── beat ──> a byte that both share <── look ── parent
"""

from __future__ import annotations

import asyncio
import mmap
from dataclasses import dataclass

_MOST_SECONDS = 1.0  # between two beats, or two looks
_BEATS = 10  # at least, in the time after which a worker counts as hanging


def pause_between(hang_seconds: float) -> float:
    """Gives the seconds from beat to beat, and from look to look, where a worker may be silent for so long."""
    return min(_MOST_SECONDS, hang_seconds / _BEATS)


class Heartbeat:
    """A byte that is made before a fork and that parent and worker share; 0 until the worker's loop runs."""

    def __init__(self, hang_seconds: float) -> None:
        self.pause_seconds = pause_between(hang_seconds)
        self._shared = mmap.mmap(-1, 1)

    @property
    def count(self) -> int:
        """What the last beat left: 1 to 255, in turn."""
        return self._shared[0]

    def beat(self) -> None:
        """Tells the parent that the worker lives."""
        self._shared[0] = self.count % 255 + 1

    def keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beats now, and then for as long as the loop goes round."""
        self.beat()
        loop.call_later(self.pause_seconds, self.keep, loop)


class Pulse:
    """How long a parent has not heard a heartbeat."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._count = 0
        self._looked = 0.0
        self._silent_seconds = 0.0

    def silent_seconds(self, now: float) -> float:
        """Looks, and gives for how long there was no beat; 0 before the first one, since a start takes its time.

        What passes between two looks counts for two pauses at most: a parent that did not run for a while, as when
        all of a machine stood still, has not watched.
        """
        count, passed = self._heartbeat.count, now - self._looked
        self._looked = now
        if count != self._count or count == 0:
            self.forgive()
        else:
            self._silent_seconds += min(passed, 2 * self._heartbeat.pause_seconds)
        return self._silent_seconds

    @property
    def has_begun(self) -> bool:
        """Says whether there ever was a beat."""
        return self._heartbeat.count > 0

    def forgive(self) -> None:
        """Begins to count anew."""
        self._count, self._silent_seconds = self._heartbeat.count, 0.0


@dataclass(frozen=True)
class Tie:
    """What ties a worker to its parent: a pipe that ends when all workers have to, and its heartbeat."""

    lifeline: int
    heartbeat: Heartbeat
