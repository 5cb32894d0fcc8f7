"""Replays of checks for drift: how often an alarm rings where nothing was changed, and how soon where something was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.drift_courses import PLANTS, Course

WITHIN = 28  # seasons in which a planted change is to be noticed
NUM_PLANTS = 5
MOST_FALSE_ALARMS = 1.0  # a year

Signal = Callable[[Course, int, int], float]  # at a season, of a model that was trained up to another


@dataclass(frozen=True)
class Alarm:
    """A signal, and the value beyond which it is an alarm."""

    signal: Signal
    limit: float

    def rings(self, course: Course, trained: int, now: int) -> bool:
        """Says whether it is one."""
        return self.signal(course, trained, now) > self.limit


def false_alarms(alarm: Alarm, course: Course) -> float:
    """Gives alarms per year where nothing was planted; each of them, and age, trains the model again."""
    number, trained = 0, course.begin
    for now in range(course.begin + course.every, course.end + 1, course.every):
        rings = alarm.rings(course, trained, now)
        number += rings
        trained = now if rings or now - trained >= course.max_age else trained
    return number / course.num_years


def tuned(signal: Signal, courses: Sequence[Course], limits: Sequence[float]) -> float:
    """Gives the least of some limits with so few false alarms as may be, the mean over courses; or the last."""

    @cache
    def kept(number: int, trained: int, now: int) -> float:
        return signal(courses[number], trained, now)

    def mean(limit: float) -> float:
        alarms = [Alarm(lambda _, *when, number=number: kept(number, *when), limit) for number in range(len(courses))]
        return float(np.mean([false_alarms(alarm, course) for alarm, course in zip(alarms, courses, strict=True)]))

    return next((limit for limit in limits if mean(limit) <= MOST_FALSE_ALARMS), limits[-1])


def figures_of(label: str, alarm: Alarm, course: Course) -> dict[str, object]:
    """Gives false alarms, and how soon and how often each kind of change is noticed."""
    figures: dict[str, object] = {f"{label}_false_alarms_per_year": round(false_alarms(alarm, course), 2)}
    for plant in PLANTS:
        delays = [delay for season in seasons_of_plants(course) for delay in _delay(alarm, course, plant, season)]
        figures |= noticed(f"{label}_{plant}", delays)
    return figures


def noticed(label: str, delays: list[int]) -> dict[str, object]:
    """Gives the median delay, none where that is not within time, and the share of those that are."""
    median = sorted(delays)[len(delays) // 2] if delays else None
    return {
        f"{label}_delay": None if median is None or median > WITHIN else median,
        f"{label}_noticed": round(float(np.mean([delay <= WITHIN for delay in delays])), 2) if delays else None,
    }


def seasons_of_plants(course: Course) -> list[int]:
    """Gives seasons, evenly spaced, that leave time to notice what begins there."""
    first, last = course.begin + 2 * course.every, course.end - WITHIN
    return [int(season) for season in np.linspace(first, last, NUM_PLANTS)]


def _delay(alarm: Alarm, course: Course, plant: str, season: int) -> Iterator[int]:
    """Yields the seasons until a change of that season is noticed, more than WITHIN if it is not.

    The model is trained two checks earlier; nothing where it rings before the change, which then says nothing.
    """
    trained = season - 2 * course.every
    if alarm.rings(course, trained, season):
        return
    changed = course.planted(PLANTS[plant], season)
    rings = (after for after in range(1, WITHIN + 1) if alarm.rings(changed, trained, season + after))
    yield next(rings, WITHIN + 1)
