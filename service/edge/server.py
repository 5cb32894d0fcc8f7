"""The server of one process: uvicorn's, with deadlines at its edge and an end that answers what was begun.

    SIGTERM --> /readyz 503, all is served --> no new connections, what was begun is answered --> 503 for the rest --> 0
               |-- drain_grace_seconds --|    |-- at most drain_seconds, less when nothing is left --|

From the first moment on each answer ends its connection, so that clients with open connections go elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.edge.heartbeat import Tie
from service.edge.listening import BACKLOG, ignore_handshakes, listen
from service.edge.protocol import EdgeProtocol
from service.edge.start import warn_of_unknown_variables
from service.edge.state import Edge
from service.settings import Settings

log = logging.getLogger("service.edge.server")

_ACCEPT_SECONDS = 0.05  # for connections that the kernel has completed and we have not accepted
_SETTLE_SECONDS = 0.5  # for requests on their way over connections that look idle
_FLUSH_SECONDS = 0.5
_POLL_SECONDS = 0.02
_STUCK_SECONDS = 2.0  # beyond the drain; a thread that computes on must not keep the process


class Server(uvicorn.Server):
    """Serves an application until it is told to end; one worker among several is tied to a parent."""

    server_state: Edge

    def __init__(self, app: FastAPI, settings: Settings, tie: Tie | None = None) -> None:
        config = uvicorn.Config(
            app.middleware_stack or app,  # FastAPI itself would only look, each time, for telemetry to be on
            host=settings.host,
            port=settings.port,
            http=EdgeProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.keep_alive_seconds,
            backlog=BACKLOG,
        )
        super().__init__(config)
        self.server_state = Edge(settings, app.state.service.telemetry.count_refusal)
        self._app = app
        self._settings = settings
        self._tie = tie
        self._all_end = tie is None
        self._sockets: Sequence[socket.socket] = ()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves on the sockets, or on one of its own."""
        if self._tie is None:
            warn_of_unknown_variables()
        else:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._tie.lifeline, self._end_with_all, self._tie.lifeline)
            self._tie.heartbeat.keep(loop)
        self._sockets = sockets or [listen(self._settings)]
        await super().serve(list(self._sockets))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Makes SIGTERM and SIGINT end the server and not the process, which so ends with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain at the first signal, and ends at once at a second, unless a parent decides on that."""
        if self.should_exit and self._tie is None:
            log.warning("ended_at_once", extra={"fields": {"signal": sig}})
            os._exit(128 + sig)
        self.should_exit = True

    def _end_with_all(self, lifeline: int) -> None:
        asyncio.get_running_loop().remove_reader(lifeline)
        self._all_end = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drains: see the head of this module."""
        self._app.state.draining = self.server_state.draining = True
        log.info("drain_began", extra={"fields": {"connections": len(self.server_state.connections)}})
        await asyncio.sleep(self._settings.drain_grace_seconds)
        deadline = asyncio.get_running_loop().time() + self._settings.drain_seconds
        watchdog = threading.Timer(self._settings.drain_seconds + _STUCK_SECONDS, _leave_stuck)
        watchdog.daemon = True
        watchdog.start()
        await self._stop_accepting()
        await self._answer_what_was_begun(deadline)
        await self._give_up_the_rest()
        await self.lifespan.shutdown()
        if threading.current_thread() is not threading.main_thread():  # else it watches over what follows, too
            watchdog.cancel()

    async def _stop_accepting(self) -> None:
        """Closes the listening sockets, after taking the connections that they hold unless other workers do."""
        if self._all_end:
            for listener in self._sockets:
                ignore_handshakes(listener)
        await asyncio.sleep(_ACCEPT_SECONDS)
        for server in self.servers:
            server.close()
        for listener in self._sockets:
            listener.close()

    async def _answer_what_was_begun(self, deadline: float) -> None:
        """Waits until nothing is under way but requests that do not arrive; closes what is idle."""
        loop = asyncio.get_running_loop()
        settled = min(deadline, loop.time() + _SETTLE_SECONDS)
        while loop.time() < deadline:
            connections = self._connections()
            if loop.time() > settled:
                for one in connections:
                    one.shutdown()
                connections = [one for one in connections if one.is_busy]
            if not connections:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _give_up_the_rest(self) -> None:
        """Answers 503 where an answer is owed, closes, and cuts what does not close."""
        left = self._connections()
        num_owed = sum(one.is_answering or one.is_receiving for one in left)
        for connection in left:
            connection.give_up()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _FLUSH_SECONDS
        while self._connections() and loop.time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        for connection in self._connections():
            connection.transport.abort()
        await asyncio.sleep(0)
        log.info("drain_ended", extra={"fields": {"given_up": num_owed}})

    def _connections(self) -> list[EdgeProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, EdgeProtocol)]


def _leave_stuck() -> None:
    log.warning("ended_stuck", extra={"fields": {"after_seconds": _STUCK_SECONDS}})
    os._exit(0)
