"""The cycles that a frequency brings along."""

from __future__ import annotations

from forecaster.config.cycles import Cycles
from forecaster.time.frequency import Frequency

_DAYS_OF_A_WEEK = 7
_STEPS_OF_A_YEAR = {7: 365, 5: 260}  # of days, and of business days
_UNITS_OF_A_DAY = ("h", "min")  # those whose season is a day: that of seconds is an hour


def cycles_of(frequency: Frequency) -> Cycles:
    """Gives the season of a frequency, and a week for minutes and hours, a year for days."""
    season = frequency.season_length
    if frequency.is_tick:
        has_week = season > 1 and frequency.alias.endswith(_UNITS_OF_A_DAY)
        return Cycles(season, _DAYS_OF_A_WEEK * season if has_week else 0)
    return Cycles(season, _STEPS_OF_A_YEAR.get(season, 0))
