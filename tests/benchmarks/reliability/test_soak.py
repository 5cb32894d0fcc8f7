"""What a soak makes of its samples."""

from __future__ import annotations

import pytest

from benchmarks.reliability.soak import Course, Sample, Soak, figures, growth, held, how_ended, p99_ms
from benchmarks.serving.load import Sent

MIB = 2**20


def samples(mib_per_hour: float, seconds: int = 1800, base_mib: float = 400.0, jump_mib: float = 0.0) -> list[Sample]:
    """Grows steadily, and in the first five minutes by a jump."""
    return [
        Sample(at, round((base_mib + mib_per_hour * at / 3600 - (jump_mib if at < 200 else 0)) * MIB), 10, 5)
        for at in range(0, seconds, 5)
    ]


@pytest.mark.parametrize(
    ("mib_per_hour", "is_steady"), [(0.0, True), (3.0, True), (20.0, True), (30.0, False), (100.0, False)]
)
def test_memory_is_steady_below_a_percent_an_hour_or_ten_mebibytes_in_all(mib_per_hour: float, is_steady: bool) -> None:
    found = growth(samples(mib_per_hour), 300.0, rate=100.0)
    assert found["is_steady"] is is_steady
    assert found["growth_mib"] == pytest.approx(mib_per_hour * 1500 / 3600, abs=0.01)


def test_a_large_process_may_grow_by_a_percent_an_hour() -> None:
    assert growth(samples(30.0, base_mib=4000.0), 300.0, rate=100.0)["is_steady"] is True


def test_what_grows_while_pools_fill_does_not_count() -> None:
    assert growth(samples(0.0, jump_mib=200.0), 300.0, rate=100.0)["slope_percent_per_hour"] == pytest.approx(0)


@pytest.mark.parametrize(("bytes_per_request", "is_steady"), [(200, True), (1024, False)])
def test_a_short_run_is_judged_by_what_a_request_leaves(bytes_per_request: int, is_steady: bool) -> None:
    leaking = [Sample(at, 400 * MIB + 50 * bytes_per_request * at, 10, 5) for at in range(60)]
    found = growth(leaking, 30.0, rate=50.0)
    assert found["growth_bytes_per_request"] == bytes_per_request
    assert found["is_steady"] is is_steady


def test_too_few_samples_are_no_verdict() -> None:
    assert growth(samples(0.0)[:2], 0.0, rate=1.0)["is_steady"] is None
    assert figures(Course(Soak.lasting(60.0), rate=1.0))["last_over_first_p99"] is None


def test_descriptors_and_threads_are_compared() -> None:
    assert held(Sample(0, 0, 10, 5), Sample(0, 0, 12, 4)) == {"more_fds": 2, "more_threads": -1}


def test_percentiles_are_of_the_requests_due_in_the_window() -> None:
    sent = [(0.5, 0.010), (1.5, 0.020), (2.5, 0.040)]
    assert p99_ms(sent, 1.0, 2.0) == 20.0
    assert p99_ms(sent, 5.0, 6.0) is None


def test_poison_has_to_be_refused_and_all_else_answered() -> None:
    statuses = 200, 422, 503
    ended = [[how_ended(Sent(0, 0, 0, 1, status), is_poison=poison) for status in statuses] for poison in (False, True)]
    assert ended[0] == ["answered", "failed: 422", "failed: 503"]
    assert ended[1] == ["failed: 200", "refused", "failed: 503"]
    assert how_ended(Sent(0, 0, 0, 1, None, "reset"), is_poison=False) == "failed: reset"


@pytest.mark.parametrize(("seconds", "settling", "reload"), [(1800, 300, 30), (180, 30, 30), (60, 30, 10)])
def test_proportions_are_those_of_the_full_form(seconds: float, settling: float, reload: float) -> None:
    soak = Soak.lasting(seconds)
    assert (soak.settling_seconds, soak.reload_seconds) == (settling, reload)
