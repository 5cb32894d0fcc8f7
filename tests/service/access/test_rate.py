"""Token buckets: no window grants more than it should, whatever the clock does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.rate import CostAboveBurst, Rate, RateLimiter

rates = st.builds(Rate, burst=st.floats(1, 1e9), per_minute=st.floats(0.1, 1e9))
steps = st.floats(-1e4, 1e4)  # the clock may step back, which a monotonic one never does
asks = st.lists(st.tuples(steps, st.floats(0, 1)), min_size=1, max_size=60)


def limiter() -> RateLimiter:
    return RateLimiter(max_names=10)


@given(rates, asks)
def test_no_window_grants_more_than_burst_and_what_its_time_brings(
    rate: Rate, asked: list[tuple[float, float]]
) -> None:
    limit, now, latest = limiter(), 0.0, -math.inf
    granted: list[tuple[float, float]] = []  # the latest moment so far, and what was granted then
    for step, share in asked:
        now += step
        latest = max(latest, now)
        cost = share * rate.burst
        if limit.take("key", cost, rate, now) == 0:
            granted.append((latest, cost))
    for first in range(len(granted)):
        total = 0.0
        for moment, cost in granted[first:]:
            total += cost
            most = rate.burst + rate.per_minute / 60 * (moment - granted[first][0])
            assert total <= most * (1 + 1e-9)


@given(rates, asks)
def test_a_wait_is_never_negative_nor_longer_than_filling_the_bucket(
    rate: Rate, asked: list[tuple[float, float]]
) -> None:
    limit, now = limiter(), 0.0
    for step, share in asked:
        now += step
        wait = limit.take("key", share * rate.burst, rate, now)
        assert 0 <= wait <= rate.burst * 60 / rate.per_minute * (1 + 1e-9)


@given(rates, st.floats(0.01, 1))
def test_who_waits_as_long_as_told_is_granted(rate: Rate, share: float) -> None:
    limit = limiter()
    assert limit.take("key", rate.burst, rate, 0.0) == 0
    wait = limit.take("key", share * rate.burst, rate, 0.0)
    assert wait > 0
    assert limit.take("key", share * rate.burst, rate, wait * (1 + 1e-9)) == 0


@given(rates, st.floats(-1e6, 0))
def test_a_clock_that_went_back_and_forth_refills_nothing(rate: Rate, back: float) -> None:
    limit = limiter()
    assert limit.take("key", rate.burst, rate, 0.0) == 0
    for _ in range(3):
        assert limit.take("key", rate.burst, rate, back) > 0
        assert limit.take("key", rate.burst, rate, 0.0) > 0


def test_a_bucket_by_hand() -> None:
    limit, rate = limiter(), Rate(burst=100, per_minute=60)
    assert limit.take("key", 100, rate, 0) == 0
    assert limit.take("key", 30, rate, 10) == 20
    assert limit.take("key", 30, rate, 30) == 0
    assert limit.take("key", 1, rate, 30) == 1


def test_a_cost_above_the_burst_is_refused_at_once_and_spends_nothing() -> None:
    limit, rate = limiter(), Rate(burst=100, per_minute=60)
    with pytest.raises(CostAboveBurst, match="at most 100 at once"):
        limit.take("key", 101, rate, 0)
    assert limit.take("key", 100, rate, 0) == 0


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf")])
def test_a_cost_that_is_none_is_a_bug(cost: float) -> None:
    with pytest.raises(ValueError, match="finite number from 0 on"):
        limiter().take("key", cost, Rate(burst=1, per_minute=1))


def test_names_do_not_pay_for_each_other() -> None:
    limit, rate = limiter(), Rate(burst=10, per_minute=1)
    assert limit.take("greedy", 10, rate, 0) == 0
    assert limit.take("greedy", 10, rate, 0) > 0
    assert limit.take("polite", 10, rate, 0) == 0


def test_a_lowered_rate_holds_at_once_and_a_raised_one_gives_nothing_for_free() -> None:
    limit, low, high = limiter(), Rate(burst=10, per_minute=6), Rate(burst=1000, per_minute=6)
    limit.take("key", 0, high, 0)
    assert limit.take("key", 10, low, 0) == 0
    assert limit.take("key", 1, low, 0) == 10
    assert limit.take("key", 11, high, 0) == 110


def test_the_table_is_bounded_and_forgets_who_was_away_longest() -> None:
    limit, rate = RateLimiter(max_names=3), Rate(burst=1, per_minute=1)
    for name in ("a", "b", "c"):
        limit.take(name, 1, rate, 0)
    limit.take("a", 1, rate, 0)
    limit.take("d", 1, rate, 0)
    assert len(limit) == 3
    assert limit.take("a", 1, rate, 0) > 0
    assert limit.take("b", 1, rate, 0) == 0


def test_what_was_spent_and_not_given_back_is_told_and_asking_costs_nothing() -> None:
    now, rate = [0.0], Rate(burst=100, per_minute=60)
    limit = RateLimiter(max_names=10, clock=lambda: now[0])
    assert limit.spent("a", rate) == 0
    assert limit.take("a", 40, rate) == 0
    assert (limit.spent("a", rate), limit.spent("a", rate), limit.spent("b", rate)) == (40, 40, 0)
    now[0] = 15.0
    assert limit.spent("a", rate) == pytest.approx(25)
    now[0] = 60.0
    assert limit.spent("a", rate) == 0
    assert len(limit) == 1
