"""Requests of clients that speak more, or less, than this service does, over real sockets."""

from __future__ import annotations

import time

import pytest

from tests.service.edge.test_server import (
    GET,
    HALF_BODY,
    HALF_HEAD,
    Counts,
    assert_problem,
    connected,
    reply,
    rest,
    running,
)

OFFER = (
    b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
)
WHOLE = OFFER + b"Content-Length: 10\r\n\r\n1234567890"
CHUNKED = OFFER + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n"


@pytest.mark.parametrize("sent", [WHOLE, CHUNKED], ids=["of a length", "chunked"])
@pytest.mark.parametrize("num_pieces", [1, 2, 5, 40])
def test_a_request_that_offers_another_protocol_is_answered_with_its_body(sent: bytes, num_pieces: int) -> None:
    """As Java's client sends each, and `curl --http2`."""
    size = -(-len(sent) // num_pieces)
    with running() as server, connected(server) as connection:
        for begin in range(0, len(sent), size):
            connection.sendall(sent[begin : begin + size])
            time.sleep(0.005)
        head, _, body = rest(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head
    assert body == b"1234567890"


def test_an_offer_without_a_body_or_with_an_empty_one_is_answered() -> None:
    with running() as server:
        for sent in (OFFER.replace(b"POST /echo", b"GET /quick") + b"\r\n", OFFER + b"Content-Length: 0\r\n\r\n"):
            with connected(server, sent) as connection:
                assert rest(connection).startswith(b"HTTP/1.1 200 ")


def test_what_follows_a_request_that_offers_another_protocol_is_not_read() -> None:
    counts = Counts()
    with running(counts) as server, connected(server, WHOLE + GET % b"quick") as connection:
        assert rest(connection).count(b"HTTP/1.1 ") == 1
        assert len(counts.answered()) == 1


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (WHOLE[:-3], 408, "request-too-slow"),
        (CHUNKED.replace(b"12345\r\n", b"1234567\r\n"), 400, "invalid-http"),
        (OFFER.replace(b"echo", b"full") + b"Content-Length: 9000000\r\n\r\n12345", 413, "body-too-large"),
    ],
    ids=["incomplete", "a bad chunk", "refused early"],
)
def test_the_body_behind_an_offer_is_held_to_the_same_rules(sent: bytes, status: int, code: str) -> None:
    with running(body_seconds=0.3) as server, connected(server, sent) as connection:
        assert_problem(rest(connection), status, code)


def test_an_answer_of_no_known_length_is_sent_as_it_is_to_a_client_that_knows_no_chunks() -> None:
    with running() as server:
        with connected(server, (GET % b"parts").replace(b"1.1", b"1.0")) as connection:
            head, _, body = rest(connection).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head
        assert body == b"one two three"
        with connected(server, (GET % b"quick").replace(b"1.1", b"1.0")) as connection:
            assert reply(connection).endswith(b'"done"')


@pytest.mark.parametrize("behind", [HALF_HEAD, HALF_BODY], ids=["headers", "body"])
def test_a_request_whose_answer_could_not_be_sent_is_not_executed(behind: bytes) -> None:
    first = b"GET /quick HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    counts = Counts()
    with running(counts) as server:
        with connected(server, first + GET % b"missing" + behind) as connection:
            assert rest(connection).count(b"HTTP/1.1 ") == 1
        assert not [line for line in counts.answered() if 'status="404"' in line], counts.answered()
