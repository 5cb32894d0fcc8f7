"""Reading what a client sends: httptools' parser, whose errors are problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from service.edge.request_head import unreadable
from service.errors import InvalidHttp, ServiceError

if TYPE_CHECKING:
    from service.edge.protocol import EdgeProtocol

_FRAMING = (b"content-length", b"transfer-encoding")


def parse(connection: EdgeProtocol, data: bytes) -> None:
    """Has the parser of a connection read `data`. ServiceError for what is no HTTP, and what the connection refuses."""
    try:
        try:
            connection.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            _decline(connection, data[offer.args[0] :])
    except httptools.HttpParserCallbackError as error:
        cause = error.__context__
        raise cause if isinstance(cause, ServiceError) else InvalidHttp("the request cannot be read") from None
    except httptools.HttpParserError as error:
        raise unreadable(error) from None


def leaves_body_out(parser: httptools.HttpRequestParser, headers: list[tuple[bytes, bytes]]) -> bool:
    """Says of a request that is complete to its parser whether it is so only as it offers another protocol."""
    return bool(parser.should_upgrade()) and any(name in _FRAMING for name, _ in headers)


def _decline(connection: EdgeProtocol, rest: bytes) -> None:
    """Has a request that offers another protocol be answered as it is; its body, if it has one, begins with `rest`."""
    if not connection.is_receiving:
        connection.end_with_answer()
        return
    framing = [b"%b: %b\r\n" % header for header in connection.headers if header[0] in _FRAMING]
    connection.parser = httptools.HttpRequestParser(_Body(connection))
    connection.parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n"]))
    connection.parser.feed_data(rest)


class _Body:
    """Hears of a body, and of its end."""

    def __init__(self, connection: EdgeProtocol) -> None:
        self._connection = connection
        self.on_body = connection.on_body

    def on_message_complete(self) -> None:
        self._connection.on_message_complete()
        self._connection.end_with_answer()
