"""A connection: uvicorn's httptools protocol with deadlines, limits, and refusals in order.

A timer runs only while bytes are awaited that are overdue some time: a request that comes in one piece costs none.
"""

from __future__ import annotations

import asyncio
import time
import urllib.parse
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.edge.answer import Answer, Outgoing, last_words
from service.edge.closing import Closing, Deadline
from service.edge.parsing import leaves_body_out, parse
from service.edge.request_head import MAX_HEAD_BYTES, check_head, check_target
from service.edge.state import Edge
from service.errors import (
    BodyTooLarge,
    Draining,
    HeadTooLarge,
    InvalidHttp,
    RequestTooSlow,
    ServiceError,
    TooManyConnections,
)

# What of a request is still to come.
_NOTHING, _HEAD, _BODY = range(3)

_MAX_LINGERING = 100  # connections above the limit that are given time to read why
_MAX_PIPELINED = 100
# A chunk of one byte takes six; what is more than this beside the body (extensions, trailers) is an attack.
_BYTES_PER_BODY_BYTE = 8


class EdgeProtocol(HttpToolsProtocol):
    """One connection of a client."""

    server_state: Edge
    cycle: Answer  # of the request that arrived last

    def __init__(
        self,
        config: Config,
        server_state: Edge,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings = server_state.settings
        self._awaited = _NOTHING
        self._num_bytes = 0  # of the awaited part, without the piece it began in
        self._due = Deadline(self.loop)  # of the awaited part
        self._running: Answer | None = None
        self._refusal: ServiceError | None = None  # to be sent once what came before it is answered
        self._dropping = False  # what comes is not looked at any more

    # Opened and closed.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request, or turns the client away before anything is read."""
        self._closing = Closing(transport, self.loop, self._settings.write_seconds)
        if len(self.connections) >= self._settings.max_connections:
            self._turn_away(transport)
            return
        super().connection_made(transport)
        self._outgoing = Outgoing(transport, self._finish)
        self._due.set(self._settings.header_seconds, self._overdue)

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self._dropping = True
        self.transport = transport
        error = TooManyConnections("too many connections are open, try again later")
        self.server_state.count_refusal(error.code)
        transport.write(last_words(error))
        if len(self.server_state.turned_away) < _MAX_LINGERING:
            self.server_state.turned_away.add(self)
            self._closing.linger()
        else:
            self._closing.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clears the deadlines, and tells the application."""
        self.server_state.turned_away.discard(self)
        self._due.clear()
        self._closing.lost()
        self._unset_keepalive_if_required()
        if self._running is not None and not self._running.response_complete:
            self._running.drop()
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Gives the client some time to read what is written already."""
        super().pause_writing()
        self._closing.expect_reading()

    def resume_writing(self) -> None:
        """Goes on writing."""
        super().resume_writing()
        self._closing.has_read()

    # Receiving, and until when.

    def data_received(self, data: bytes) -> None:
        """Takes what came in: parses, refuses or drops it."""
        if self._dropping:
            return
        self._unset_keepalive_if_required()
        before = self._awaited, self.headers
        try:
            parse(self, data)
        except ServiceError as error:
            self._refuse(error)
        else:
            if before[0] == self._awaited and before[1] is self.headers:
                self._count(len(data))
            self._watch()

    def _count(self, num_bytes: int) -> None:
        """Refuses a head that does not end, and a body with far more around it than in it."""
        self._num_bytes += num_bytes
        if self._awaited == _HEAD and self._num_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge(f"the headers have more than {MAX_HEAD_BYTES} bytes"))
        elif self._num_bytes > _BYTES_PER_BODY_BYTE * self._settings.max_body_bytes + MAX_HEAD_BYTES:
            self._refuse(BodyTooLarge("the request has far more bytes than its body may have"))

    def _watch(self) -> None:
        """Sets the deadline of what is awaited; line breaks between requests begin a request too."""
        if self._dropping:
            return
        if self._awaited == _BODY:
            self._due.set(self._settings.body_seconds, self._overdue)
        elif self._awaited == _HEAD or not self.is_answering:
            self._due.set(self._settings.header_seconds, self._overdue)

    def _overdue(self) -> None:
        waits_for_us = self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue)
        if self._awaited == _NOTHING:
            self._closing.close()
        elif waits_for_us:
            self._watch()
        else:
            part = "headers" if self._awaited == _HEAD else "body"
            self._refuse(RequestTooSlow(f"the {part} of the request did not arrive in time"))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begins a request, whose deadline counts from here."""
        self._due.clear()
        super().on_message_begin()
        self.scope["state"]["arrived"] = time.monotonic()
        self._awaited, self._num_bytes = _HEAD, 0

    def on_url(self, url: bytes) -> None:
        """Takes a piece of the request's target."""
        super().on_url(url)
        check_target(self.url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; those after the body are left out, or they could pass for headers that were checked."""
        if self._awaited == _HEAD:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Checks the head and begins to answer, or lines the request up behind one that is being answered."""
        self._due.clear()
        version = self.parser.get_http_version()
        path, query = check_head(version, self.url, self.headers)
        self._awaited, self._num_bytes = _BODY, 0
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = self.root_path + urllib.parse.unquote(path.decode("ascii"))
        self.scope["raw_path"] = self.root_path.encode("ascii") + path
        self.scope["query_string"] = query
        self.cycle = answer = Answer(self, self._outgoing, version != "1.0" and self.parser.should_keep_alive())
        if not self.is_answering:
            self._start_asgi_task(answer, self.app)
        elif len(self.pipeline) < _MAX_PIPELINED:
            self.flow.pause_reading()
            self.pipeline.appendleft((answer, self.app))
        else:
            raise InvalidHttp(f"more than {_MAX_PIPELINED} requests were sent without waiting for an answer")

    def on_message_complete(self) -> None:
        """Ends a request, unless the parser waits for what is to be made of an offer to speak another protocol."""
        if self._awaited == _BODY and leaves_body_out(self.parser, self.headers):
            return
        self._due.clear()
        self._awaited = _NOTHING
        super().on_message_complete()

    def end_with_answer(self) -> None:
        """Reads nothing behind the request that is complete now."""
        self._dropping = True

    # Answering, and the end.

    @property
    def is_answering(self) -> bool:
        """True while the application owes an answer."""
        return self._running is not None and not (self._running.response_complete or self._running.disconnected)

    @property
    def is_receiving(self) -> bool:
        """True while a request has begun to arrive and is not complete."""
        return self._awaited != _NOTHING and not self._dropping

    def is_last(self, answer: Answer) -> bool:
        """Says whether the connection ends with this answer: its request is not complete, or the server ends."""
        incomplete = self._awaited == _BODY and answer is self.cycle
        more_to_say = self.pipeline or self._refusal is not None
        return incomplete or (not more_to_say and (self.server_state.draining or self._dropping))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Goes on with the next request, if there is one, or with what is left to say."""
        if self._refusal is not None and not self.pipeline:
            self._say_last(self._refusal)
            return
        super().on_response_complete()
        if self._awaited == _HEAD:  # it has a deadline of its own
            self._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """Ends an idle connection."""
        self._closing.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answers the request that is arriving with a problem, after those before it, and reads no further."""
        self._dropping = True
        self._due.clear()
        begun = self._awaited == _BODY and self.cycle.response_started
        if self._awaited == _BODY:
            self.cycle.drop()
            self.cycle.scope["state"]["refused"] = not begun  # which is counted here, and not by the application too
            if self.pipeline and self.pipeline[0][0] is self.cycle:
                self.pipeline.popleft()
        if begun:
            self._closing.close()
        elif self.is_answering:
            self._refusal = error
        else:
            self._say_last(error)

    def _say_last(self, error: ServiceError) -> None:
        self._dropping = True
        if not self.transport.is_closing():
            self.server_state.count_refusal(error.code)
            self.transport.write(last_words(error))
            self._closing.linger()

    def _finish(self) -> None:
        """Ends the connection after a whole answer."""
        self._due.clear()
        self.pipeline.clear()
        if self._awaited == _NOTHING or self._dropping:
            self._closing.close()
        else:
            self._dropping = True
            self._closing.linger()

    # The server ends.

    @property
    def is_busy(self) -> bool:
        """True while a whole request waits for its answer, or an answer for its client."""
        owed = self.is_answering and not (self._awaited == _BODY and self._running is self.cycle)
        return owed or (not self._dropping and self.transport.get_write_buffer_size() > 0)

    def shutdown(self) -> None:
        """Closes the connection if nothing is under way on it."""
        if not (self.is_answering or self.is_receiving or self._closing.is_lingering):
            self._closing.close()

    def give_up(self) -> None:
        """Answers whatever is under way with a problem, if its answer has not begun, and closes."""
        if self._dropping and not self.is_answering:
            return
        owes = self.is_receiving or self.is_answering
        begun = self._running is not None and self.is_answering and self._running.response_started
        if self._running is not None and self.is_answering:
            self._running.drop()
        self.pipeline.clear()
        self._due.clear()
        if owes and not begun:
            self._say_last(Draining("this process ends before the request could be answered"))
        else:
            self._closing.close()
