"""When a model is to be retrained: slots of cron in UTC, catching up once, triggers with cool-down and hysteresis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from forecaster.ledger.slot import TriggerState
from pipelines.config import TriggerConfig
from pipelines.config.retrain.cron import Cron
from pipelines.retrain.due import Due, due, judged
from pipelines.retrain.times import from_microseconds, shown, to_microseconds

DAILY = Cron("0 3 * * *")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "now", "found"),
    [
        (None, "2024-03-01T12:00", Due(at("2024-03-01T03:00"))),  # the first one is due at once, none is missed
        ("2024-03-01T03:00", "2024-03-01T12:00", None),  # it has its outcome
        ("2024-03-01T03:00", "2024-03-02T02:59", None),
        ("2024-03-01T03:00", "2024-03-02T03:00", Due(at("2024-03-02T03:00"))),
        (
            "2024-03-01T03:00",
            "2024-03-04T10:00",  # down for three slots: one is done, two are covered
            Due(at("2024-03-04T03:00"), (at("2024-03-02T03:00"), at("2024-03-03T03:00"))),
        ),
        ("2024-03-02T03:00", "2024-03-02T02:30", None),  # the clock was ahead, and was set back
        ("2024-03-02T03:00", "2024-03-01T03:00", None),
    ],
)
def test_a_slot_is_due_once(last: str | None, now: str, found: Due | None) -> None:
    assert due(DAILY, None if last is None else at(last), at(now)) == found


def test_clock_steps_of_an_hour_make_one_slot_a_day() -> None:
    last, done = None, []
    for minute in range(0, 10 * 24 * 60, 20):
        jump = HOUR * ((minute // 601) % 3 - 1)  # -1, 0 or +1 hours, for ten hours each
        found = due(DAILY, last, at("2024-03-01T00:00") + timedelta(minutes=minute) + jump)
        if found is not None:
            last = found.at
            done += [*found.missed, found.at]
    assert done == [at("2024-02-29T03:00") + DAY * number for number in range(len(done))]
    assert len(done) >= 10


@pytest.fixture(params=["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone of the machine."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("cron", "hours"),
    [("30 2 * * *", [2.5, 26.5, 50.5]), ("0 * * * *", [*range(1, 72)]), ("30 1 * * sun", [25.5])],
)
@pytest.mark.parametrize("change", ["2024-03-10", "2024-03-31", "2024-10-27", "2024-11-03"])  # Sundays
def test_changes_of_the_clocks_neither_skip_nor_repeat_a_slot(
    zone: str, cron: str, hours: list[float], change: str
) -> None:
    begin, rule = at(f"{change}T00:00") - DAY, Cron(cron)
    last, done = rule.latest(begin), []
    for step in range(3 * 24 * 4):
        found = due(rule, last, begin + step * timedelta(minutes=15))
        if found is not None:
            assert not found.missed
            last = found.at
            done.append(found.at)
    assert done == [begin + hour * HOUR for hour in hours]


TRIGGER = TriggerConfig(signal="drift_input", above=2.0, clear_below=1.0, cool_down_days=2)


@pytest.mark.parametrize(
    ("values", "fired"),
    [
        ([1.5, 1.9, None, 1.5], []),  # never at the threshold
        ([0.5, 2.0, 2.5, 3.0, 3.0, 3.0], [1]),  # an alarm that goes on fires once
        ([2.5, 1.5, 2.5, 1.5, 2.5, 1.5, 2.5], [0]),  # flapping above `clear_below`
        ([2.5, 0.5, 2.5, 0.5, 2.5, 0.5, 2.5, 0.5], [0, 2, 4, 6]),  # cleared, but at most once in two days
        ([2.5, 0.9, 2.5, 2.5], [0, 2]),
        ([2.5, None, None, 2.5], [0]),  # what cannot be told clears nothing
    ],
)
def test_a_trigger_fires_by_hysteresis_and_cool_down(values: list[float | None], fired: list[int]) -> None:
    assert _firings(values, DAY) == fired


def test_what_rises_during_the_cool_down_fires_at_its_end_if_it_is_still_there() -> None:
    assert _firings([2.5, 0.5, 2.5, 2.5, 2.5], timedelta(hours=16)) == [0, 3]
    assert _firings([2.5, 0.5, 2.5, 0.5, 0.5], timedelta(hours=16)) == [0]


def test_any_training_begins_the_cool_down() -> None:
    now = at("2024-03-10T00:00")
    assert not judged(TRIGGER, TriggerState(), 9.0, now - DAY, now).fires
    assert judged(TRIGGER, TriggerState(), 9.0, now - 2 * DAY, now).fires
    assert not judged(TRIGGER, TriggerState(), 9.0, now + HOUR, now).fires  # the clock was set back


def test_a_signal_that_flaps_for_a_month_trains_at_most_once_in_each_cool_down() -> None:
    values: list[float | None] = [9.0, 0.0] * 360
    fired = _firings(values, HOUR)
    assert all(later - earlier >= 48 for earlier, later in pairwise(fired))
    assert len(fired) == 15


def _firings(values: list[float | None], step: timedelta) -> list[int]:
    state, fired = TriggerState(), []
    for number, value in enumerate(values):
        found = judged(TRIGGER, state, value, None, at("2024-03-01T00:00") + number * step)
        state = found.state
        if found.fires:
            fired.append(number)
    return fired


def test_moments_keep_their_microseconds() -> None:
    moment = at("2024-03-01T03:00:00.123457")
    assert from_microseconds(to_microseconds(moment)) == moment
    assert shown(to_microseconds(at("2024-03-01T03:00"))) == "2024-03-01T03:00:00Z"
    assert shown(None) is None
