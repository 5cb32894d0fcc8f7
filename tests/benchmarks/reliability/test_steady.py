"""How requests of a steady load are counted."""

from __future__ import annotations

from benchmarks.reliability.steady import Steady, _note
from benchmarks.serving.load import Sent


def test_what_is_neither_answered_nor_shed_is_an_error() -> None:
    steady: Steady[int] = Steady()
    for sent in (
        Sent(0, 0.0, 0.0, 0.5, 200),
        Sent(1, 0.0, 0.0, 0.1, 503, headers={"retry-after": "1"}),
        Sent(2, 0.0, 0.0, 0.1, 503),
        Sent(3, 0.0, 0.0, 0.1, fault="reset"),
    ):
        _note(steady, sent, lambda one: one.number)
    assert (steady.num_requests, steady.num_shed, steady.num_errors) == (4, 1, 2)
    assert (steady.errors, steady.latencies, steady.seen) == ({"503": 1, "reset": 1}, [0.5], [0])
