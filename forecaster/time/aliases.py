"""Names of frequencies: what people write, the one canonical spelling of it, and the grid it stands for.

A spelling is a whole number and a unit, with an anchor where the unit has one: '15min', 'W-MON',
'2QS-FEB'. Spellings that pandas has retired ('H', 'M', 'Q', 'T', 'A' ...) mean what they always did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from forecaster.errors import FrequencyError
from forecaster.time.grid import DAY, BusinessGrid, FixedGrid, Grid, MonthGrid

STEP = "step"
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

TICKS = {"h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds
# The cycle one season spans, in steps of the unit: a day for hours and minutes, an hour for seconds ...
_TICK_SEASONS = {"h": 24, "min": 1440, "s": 3600, "ms": 1000, "us": 1000}
_MONTHS_PER = {"M": 1, "Q": 3, "Y": 12}

_RETIRED = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "d": "D", "b": "B", "w": "W",
    "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "AS": "YS",
    "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE", "BAS": "BYS",
}  # fmt: skip
_SPELLING = re.compile(r"([0-9]{0,18})([A-Za-z]+)(?:-([A-Z]{3}))?")
_MONTH_UNIT = re.compile(r"(B?)([MQY])([SE])")
_LONGEST = 3653 * DAY  # ten years: longer steps would leave the calendar within a few forecasts

_WANTED = (
    "wanted a positive whole number and one of s, min, h, D, B, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC "
    "(such as '15min' or '2W-MON'), or 'step' for integer time"
)


@dataclass(frozen=True)
class Meaning:
    """What a canonical alias stands for."""

    alias: str
    grid: Grid
    season_length: int  # steps
    is_tick: bool


@lru_cache(maxsize=1024)
def meaning(text: str) -> Meaning:
    """Gives what a spelling stands for; FrequencyError where it is none, or not a positive step."""
    if text.strip() == STEP:
        return Meaning(STEP, FixedGrid(1), 1, False)
    found = _SPELLING.fullmatch(text.strip())
    if found and found[1] and int(found[1]) == 0:
        raise FrequencyError(f"frequency {text[:40]!r} has no length: its number must be at least 1")
    known = _of_unit(int(found[1] or 1), _RETIRED.get(found[2], found[2]), found[3]) if found else None
    if known is None:
        raise FrequencyError(f"frequency {text[:40]!r} is unknown: {_WANTED}", code="unknown-frequency")
    return known


def tick_alias(microseconds: int) -> str:
    """Gives the shortest alias of a fixed length: 3_600_000_000 -> 'h', whole days -> 'D', '2D' ..."""
    units = {"D": DAY, **TICKS}
    unit = next(name for name, length in units.items() if microseconds % length == 0)
    return _spelled(microseconds // units[unit], unit)


def _of_unit(multiple: int, unit: str, anchor: str | None) -> Meaning | None:
    if unit in TICKS or unit == "D":
        return None if anchor else _fixed(multiple * {"D": DAY, **TICKS}[unit])
    if unit == "B":
        return None if anchor else _business(multiple)
    if unit == "W":
        return _weekly(multiple, anchor or "SUN")
    months = _MONTH_UNIT.fullmatch(unit)
    return _monthly(multiple, months, anchor) if months else None


def _fixed(microseconds: int) -> Meaning:
    _refuse_longest(microseconds)
    alias = tick_alias(microseconds)
    if microseconds % (7 * DAY) == 0:
        season = _per_season(52, microseconds // (7 * DAY))
    elif microseconds % DAY == 0:
        season = _per_season(7, microseconds // DAY)
    else:
        unit = alias.lstrip("0123456789")
        season = _per_season(_TICK_SEASONS[unit], microseconds // TICKS[unit])
    return Meaning(alias, FixedGrid(microseconds), season, microseconds % DAY != 0)


def _business(multiple: int) -> Meaning:
    _refuse_longest(multiple * DAY)
    return Meaning(_spelled(multiple, "B"), BusinessGrid(multiple), _per_season(5, multiple), False)


def _weekly(multiple: int, anchor: str) -> Meaning | None:
    if anchor not in WEEKDAYS:
        return None
    _refuse_longest(multiple * 7 * DAY)
    grid = FixedGrid(multiple * 7 * DAY, WEEKDAYS.index(anchor))
    return Meaning(_spelled(multiple, f"W-{anchor}"), grid, _per_season(52, multiple), False)


def _monthly(multiple: int, unit: re.Match[str], anchor: str | None) -> Meaning | None:
    cycle = _MONTHS_PER[unit[2]]
    at_end = unit[3] == "E"
    if anchor not in (None, *MONTHS) or (anchor and cycle == 1):
        return None
    _refuse_longest(multiple * cycle * 30 * DAY)
    month = MONTHS.index(anchor or ("DEC" if at_end else "JAN")) % cycle
    grid = MonthGrid(multiple * cycle, at_end, bool(unit[1]), cycle, month)
    season = _per_season(12 // cycle, multiple)
    return Meaning(_spelled(multiple, month_unit(grid)), grid, season, False)


def month_unit(grid: MonthGrid) -> str:
    """Gives the unit of a month grid with its anchor: 'MS', 'BME', 'QS-FEB', 'YE-DEC'.

    Quarters that share their months share one name: QS-JAN is QS-APR, QE-DEC is QE-MAR.
    """
    letter = {months: name for name, months in _MONTHS_PER.items()}[grid.cycle]
    unit = ("B" if grid.business else "") + letter + ("E" if grid.at_end else "S")
    if grid.cycle == 1:
        return unit
    last_of_its_kind = grid.anchor + 12 - grid.cycle
    return f"{unit}-{MONTHS[last_of_its_kind if grid.at_end else grid.anchor]}"


def _spelled(multiple: int, unit: str) -> str:
    return unit if multiple == 1 else f"{multiple}{unit}"


def _per_season(steps: int, multiple: int) -> int:
    return steps // multiple if steps % multiple == 0 else 1


def _refuse_longest(microseconds: int) -> None:
    if microseconds > _LONGEST:
        raise FrequencyError("a frequency's step must not be longer than ten years", code="frequency-too-long")
