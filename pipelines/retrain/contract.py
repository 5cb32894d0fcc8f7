"""The data contract: what a table has to be like before a model is trained on it, by its rules and by the last run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.errors import DataError
from pipelines.config import ContractConfig
from pipelines.promotion.evidence import age_days
from pipelines.promotion.policy import Check

_MAX_AHEAD_DAYS = 1.0  # naive times may be those of any zone


class ContractError(DataError):
    """The data does not keep its contract; nothing was trained on it."""

    code = "contract-failed"


class Profile(Config):
    """What is kept of the data of a run, for the next one to be held against."""

    frequency: str
    timezone: str | None
    covariates: dict[str, tuple[str, ...]]
    num_series: int
    num_observed: int
    latest: str  # stored time of the newest step, observed or not
    latest_value: str | None = None  # that of the newest observed one; None in profiles of before it was asked for
    lowest: float
    highest: float

    @classmethod
    def of(cls, panel: Panel) -> Profile:
        """Gives the profile of a panel. SeriesError where it has no value at all."""
        values = panel.trimmed().values
        names = panel.covariates.names
        return cls(
            frequency=panel.axis.frequency.alias,
            timezone=panel.axis.timezone,
            covariates={kind: tuple(found) for kind, found in names.items() if found},
            num_series=len(panel),
            num_observed=int(np.isfinite(values).sum()),
            latest=str(_newest(panel)),
            latest_value=str(_newest_observed(panel)),
            lowest=float(np.nanmin(values)),
            highest=float(np.nanmax(values)),
        )


def check(panel: Panel, rules: ContractConfig, last: Profile | None, now: datetime) -> list[Check]:
    """Holds a panel against its contract, all rules of it. SeriesError where it has no value at all."""
    found = Profile.of(panel)
    return [*_alone(panel, found, rules, now), *(() if last is None else _beside(panel, found, rules, last))]


def num_new_values(panel: Panel, last: Profile) -> int:
    """Gives how many observed values are newer than all of the last run."""
    ends = panel.offsets[1:]
    return sum(
        int(np.isfinite(panel.values[end - num : end]).sum())
        for end, num in zip(ends.tolist(), _num_new(panel, last).tolist(), strict=True)
        if num
    )


def _alone(panel: Panel, found: Profile, rules: ContractConfig, now: datetime) -> Iterator[Check]:
    latest = str(found.latest_value)
    age = age_days(latest, now)
    if age is not None:
        passed = age >= -_MAX_AHEAD_DAYS
        yield Check("future", passed, f"the newest value is of {latest}, {_ahead(age)}")
    if rules.max_age_days is not None:
        yield _freshness(latest, age, rules.max_age_days)
    varies = _varying(panel)
    yield Check("variation", bool(varies.any()), f"{int(varies.sum())} of {len(panel)} series vary")


def _beside(panel: Panel, found: Profile, rules: ContractConfig, last: Profile) -> Iterator[Check]:
    for name in ("frequency", "timezone"):
        now, before = getattr(found, name), getattr(last, name)
        yield Check(name, now == before, f"the {name} is {now}, that of the last run was {before}")
    lost = sorted(
        f"{kind} {name!r}"
        for kind, names in last.covariates.items()
        for name in set(names) - set(found.covariates.get(kind, ()))
    )
    yield Check("columns", not lost, f"columns of the last run are missing: {', '.join(lost)}" if lost else "as before")
    least = last.num_series * (1 - rules.max_lost_share)
    yield Check("series", len(panel) >= least, f"{len(panel)} series, {last.num_series} in the last run")
    if found.frequency == last.frequency and found.timezone == last.timezone:
        yield _order(found, last)
        yield _range(found, last, rules.max_jump)
        yield _jumps(panel, last, rules)


def _freshness(latest: str, age: float | None, most: float) -> Check:
    if age is None:
        return Check("freshness", False, "its steps have no times that say how old it is")
    return Check(
        "freshness", age <= most, f"the newest value is of {latest}, {age:.1f} days old, at most {most:g} asked"
    )


def _ahead(age: float) -> str:
    return f"{-age:.1f} days in the future" if age < 0 else f"{age:.1f} days old"


def _order(found: Profile, last: Profile) -> Check:
    if last.latest_value is None:
        now, before = found.latest, last.latest
    else:
        now, before = str(found.latest_value), last.latest_value
    passed = np.max([_time(now), _time(before)]) == _time(now)
    return Check("order", bool(passed), f"the newest value is of {now}, {before} in the last run")


def _range(found: Profile, last: Profile, most: float) -> Check:
    beyond = most * _width(np.array(last.lowest), np.array(last.highest))
    passed = last.lowest - beyond <= found.lowest and found.highest <= last.highest + beyond
    now, before = (f"{one.lowest:g} to {one.highest:g}" for one in (found, last))
    return Check("range", bool(passed), f"values are from {now}, {before} in the last run")


def _jumps(panel: Panel, last: Profile, rules: ContractConfig) -> Check:
    """Compares the new values of each series with its own older ones."""
    num_new = _num_new(panel, last)
    both = np.flatnonzero((num_new > 0) & (num_new < panel.lengths))
    begins, ends = panel.offsets[:-1][both], panel.offsets[1:][both]
    seams = ends - num_new[both]
    old_low, old_high = _extremes(panel.values, begins, seams)
    new_low, new_high = _extremes(panel.values, seams, ends)
    beyond = rules.max_jump * _width(old_low, old_high)
    jumped = (new_high > old_high + beyond) | (new_low < old_low - beyond)  # False for NaN
    passed = jumped.sum() <= rules.max_jumped_share * len(panel)
    first = f", first {panel.series_ids[both[np.argmax(jumped)]][:40]!r}" if jumped.any() else ""
    return Check("jumps", bool(passed), f"new values of {int(jumped.sum())} series lie far outside of its range{first}")


def _extremes(values: FloatArray, begins: IntArray, ends: IntArray) -> tuple[FloatArray, FloatArray]:
    """Gives the lowest and the highest observed value [n] of each span, NaN where there is none."""
    spans = [values[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    low = np.array([np.fmin.reduce(span) for span in spans], dtype=np.float64)
    return low, np.array([np.fmax.reduce(span) for span in spans], dtype=np.float64)


def _varying(panel: Panel) -> BoolArray:
    low, high = _extremes(panel.values, panel.offsets[:-1], panel.offsets[1:])
    return np.asarray(high > low)


def _width(low: FloatArray, high: FloatArray) -> FloatArray:
    """Gives the width of a range; of one without width its magnitude, or 1."""
    width = np.where(high > low, high - low, np.abs(high))
    return np.where(width > 0, width, 1.0)


def _num_new(panel: Panel, last: Profile) -> IntArray:
    """Gives the steps [S] of each series that are newer than all of the last run, by bisection: months are unequal."""
    latest = _time(last.latest_value or last.latest)
    low, high = np.zeros(len(panel), dtype=np.int64), panel.lengths.copy()
    while (low < high).any():
        middle = (low + high) // 2
        is_new = panel.axis.frequency.advance(panel.starts, middle) > latest
        low, high = np.where(is_new, low, np.minimum(middle + 1, high)), np.where(is_new, middle, high)
    return np.asarray(panel.lengths - low)


def _newest(panel: Panel) -> np.generic:
    newest: np.generic = panel.axis.frequency.advance(panel.ends, -1).max()
    return newest


def _newest_observed(panel: Panel) -> np.generic:
    """Gives the stored time of the newest observed value; every series has one."""
    rows = np.where(np.isfinite(panel.values), np.arange(len(panel.values)), -1)
    newest: np.generic = panel.axis.frequency.advance(
        panel.starts, np.maximum.reduceat(rows, panel.offsets[:-1]) - panel.offsets[:-1]
    ).max()
    return newest


def _time(stored: str) -> np.generic:
    """Gives a stored time of its text."""
    return np.int64(stored) if stored.lstrip("-").isdigit() else np.datetime64(stored, "us")
