"""Requests that are tables: read beside the event loop, a few at a time, and then asked like any other.

    Parquet ── a process of its own ──┐
    Arrow IPC ────────────────────────┴─ messages ── arrays ── pandas ── read_panel ──> Asked

Their options stand in the query. Which columns are read is known from the model that these name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.datastructures import Headers

from service.errors import DeadlineExceeded
from service.requests.asked import Asked, FindModel, asking, with_adapt
from service.requests.body import decoded
from service.requests.media import PARQUET
from service.schemas import ForecastOptions
from service.settings import Adapt, Settings
from service.tables import parquet
from service.tables.panel import to_panel
from service.tables.query import options_of
from service.tables.readers import Readers
from service.tables.roles import OPTIONAL, Role, names_of
from service.tables.stream import table_of

# Each holds a table in memory, and perhaps a process beside it. They have threads of their own: those that large
# requests in JSON are read by are not kept waiting by a file.
_AT_ONCE = 2

T = TypeVar("T")


class Tables:
    """Reads the tables of one application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tables")
        self._readers = Readers()

    async def understood(
        self,
        media_type: str,
        headers: Headers,
        query: bytes,
        body: bytes,
        expires: float,
        find: FindModel,
        *,
        adapt: Adapt = "asked",
        optional: Sequence[Role] = OPTIONAL,
    ) -> Asked:
        """Gives what a table asks, until `expires` in monotonic time; every problem of its making is found here.

        `adapt` is how the service is set, for one that does not say whether it is to be adapted; what is `optional`
        may be left out of a table.
        """
        options = with_adapt(options_of(query), adapt)
        read = partial(self._understood, media_type, headers, options, body, expires, find, optional)
        return await self.beside(read, expires)

    async def beside(self, read: Callable[[], T], expires: float) -> T:
        """Gives what `read` makes of a table, beside the event loop; DeadlineExceeded where that takes too long."""
        try:
            async with asyncio.timeout(expires - time.monotonic()):
                return await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except TimeoutError as error:
            raise DeadlineExceeded("the table could not be read in time") from error

    def close(self) -> None:
        """Ends what reads files."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._readers.close()

    def _understood(
        self,
        media_type: str,
        headers: Headers,
        options: ForecastOptions,
        body: bytes,
        expires: float,
        find: FindModel,
        optional: Sequence[Role],
    ) -> Asked:
        settings = self._settings
        served = find(options.model)
        model = served.bundle.config.model
        content, names = decoded(headers, body, settings), tuple[str, ...]()
        if media_type == PARQUET:
            found = parquet.converted(content, names_of(model), settings, expires, self._readers)
            content, names = found.stream, found.names
        table = table_of(content, model, settings, names, optional)
        read = to_panel(table.frame, options, served.own_frequency, model)
        return replace(asking(options, served, read, table.num_points, expires), table=table.facts)
