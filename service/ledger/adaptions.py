"""Factors on their way to answers: the keeper writes a revision to a file, and each worker follows that.

A forecast keeps the factors that it was adapted by, so a replay asks nobody for them: the revision may be long gone.
"""

from __future__ import annotations

import logging
import time
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path

import numpy as np

from forecaster.ledger.records import Revision
from service.file_mark import Mark, mark_of
from service.ledger.revision_file import read

log = logging.getLogger("service.ledger.adaptions")

_LOOK_SECONDS = 2.0


class Adaptions:
    """The newest revision, as a file has it. For one event loop; nothing is looked at until somebody asks."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._look_due = -np.inf
        self._mark: Mark | None = None
        self._revision: Revision | None = None

    async def current(self) -> Revision | None:
        """Gives it, at most two seconds late; None where no keeper has written one. A large file is read beside."""
        now = self._monotonic()
        if now >= self._look_due:
            self._look_due = now + _LOOK_SECONDS
            mark = mark_of(self._path)
            if mark is not None and mark != self._mark:
                await to_thread(self._read, mark)
        return self._revision

    def _read(self, mark: Mark) -> None:
        """Takes the new content; where it cannot be used, the old one goes on."""
        try:
            self._revision = read(self._path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("adaption_unreadable", extra={"fields": {"reason": f"{type(error).__name__}: {error}"[:200]}})
        self._mark = mark
