"""Who is let in, by how long the work that waits is expected to take and how long a request may take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from service.compute.admission import DEADLINE_HEADER, Admission
from service.compute.batcher import Batcher
from service.errors import DeadlineExceeded, Overloaded
from service.settings import Settings


class Waiting(Batcher):
    """A batcher with so much work."""

    def __init__(self, backlog_seconds: float) -> None:
        super().__init__(max_rows=1, num_threads=1)
        self._seconds = backlog_seconds

    @property
    def backlog_seconds(self) -> float:
        return self._seconds


def admission(backlog_seconds: float, **settings: Any) -> Admission:
    chosen = Settings(home=Path("unused"), authentication=False, **settings)
    return Admission(chosen, Waiting(backlog_seconds))


def lets_in(found: Admission, seconds_left: float) -> bool:
    try:
        with found.admitted(time.monotonic() + seconds_left):
            return True
    except Overloaded:
        return False


@pytest.mark.parametrize(("backlog", "is_let_in"), [(0.0, True), (0.4, True), (0.6, False), (0.99, False)])
def test_half_of_the_time_that_a_request_has_is_kept_for_its_own_answer(backlog: float, is_let_in: bool) -> None:
    assert lets_in(admission(backlog), seconds_left=1.0) == is_let_in


@pytest.mark.parametrize(("backlog", "is_let_in"), [(0.9, True), (1.1, False)])
def test_with_much_time_left_the_setting_decides(backlog: float, is_let_in: bool) -> None:
    assert lets_in(admission(backlog, max_queue_seconds=1.0), seconds_left=30.0) == is_let_in


def test_the_time_of_a_request_counts_from_its_arrival() -> None:
    found = admission(0.0, deadline_seconds=30.0)
    assert found.expires(Headers(), 1000.0) == 1030.0
    assert found.expires(Headers({DEADLINE_HEADER: "250"}), 1000.0) == 1000.25
    assert found.expires(Headers({DEADLINE_HEADER: "31000"}), 1000.0) == 1030.0


def test_a_request_whose_time_was_over_on_arrival_is_not_called_overload() -> None:
    with pytest.raises(DeadlineExceeded, match="was over when its head had arrived"):
        lets_in(admission(0.0), -0.001)


def test_a_place_is_free_again_after_the_request() -> None:
    found = admission(0.0, max_requests=1)
    with found.admitted(float("inf")):
        assert not lets_in(found, 30.0)
    assert lets_in(found, 30.0)


def test_a_refusal_says_when_the_backlog_will_be_gone() -> None:
    with pytest.raises(Overloaded, match="more requests wait") as refused, admission(3.0).admitted(float("inf")):
        pass
    assert 3 <= (refused.value.retry_after_seconds or 0) <= 6
