"""How a client counts, and how its counts are held against those of the service."""

from __future__ import annotations

import io
import random
from collections import Counter

import pytest

from benchmarks.reliability.counting_client import Outcome, Reply, outcome, read_reply
from benchmarks.reliability.metrics_truth import counted, differences, num_series
from benchmarks.reliability.mixed_requests import REQUEST_ID, Keys, block

EXPOSITION = """# TYPE forecaster_requests_total counter
forecaster_requests_total{method="GET",route="/livez",status="200"} 3.0
forecaster_requests_created{method="GET",route="/livez",status="200"} 1.7e9
# TYPE forecaster_refusals_total counter
forecaster_refusals_total{code="invalid-http"} 2.0
# TYPE other_total counter
other_total 5.0
"""


def test_requests_and_refusals_are_read_from_the_exposition() -> None:
    assert counted(EXPOSITION) == {("/livez", "GET", "200"): 3, ("invalid-http",): 2}
    assert num_series(EXPOSITION) == 4


def test_a_reply_of_the_edge_counts_by_the_code_of_its_problem() -> None:
    body = b'{"code": "head-too-large"}'
    assert outcome(Reply(431, {}, body), "GET", "/livez") == ("head-too-large",)
    assert outcome(Reply(431, {"x-request-id": "of-the-edge-7"}, body), "GET", "/livez") == ("head-too-large",)
    answered = Reply(200, {"x-request-id": REQUEST_ID}, b"")
    assert outcome(answered, "PROPFIND", "/livez") == ("/livez", "other", "200")


def test_each_count_that_is_not_the_same_is_named_with_its_gap() -> None:
    before: Counter[Outcome] = Counter({("a",): 5})
    now: Counter[Outcome] = Counter({("a",): 8, ("b",): 1})
    assert differences(now, before, Counter({("a",): 3, ("b",): 1})) == {}
    assert differences(now, before, Counter({("a",): 2, ("c",): 1})) == {("a",): 1, ("b",): 1, ("c",): -1}


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: Y\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n", b"hi!"),
    ],
)
def test_replies_are_read_one_after_another(sent: bytes, body: bytes) -> None:
    stream = io.BytesIO(2 * sent)
    assert [read_reply(stream, "GET").body for _ in range(2)] == [body, body]
    with pytest.raises(EOFError, match="without a reply"):
        read_reply(stream, "GET")


def test_the_reply_to_head_has_no_body() -> None:
    stream = io.BytesIO(b"HTTP/1.1 405 No\r\nContent-Length: 99\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert [read_reply(stream, method).status for method in ("HEAD", "GET")] == [405, 200]


def test_a_block_has_the_wanted_number_of_requests_and_each_kind() -> None:
    draws = map(random.Random, (1, 2))
    blocks = [block(Keys("a", "b"), 200, draw) for draw in draws]
    assert [sum(len(one.requests) for one in found) for found in blocks] == [200, 200]
    assert {one.data for one in blocks[0]} == {one.data for one in blocks[1]}
