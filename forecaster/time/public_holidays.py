"""Public holidays of a country, by the library `holidays`, which is imported where one is named."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forecaster.arrays import FloatArray, IntArray
from forecaster.errors import ConfigError

HOLIDAY_COLUMNS = ("holiday", "days_to_holiday", "days_since_holiday")
_REACH = 7  # days
_FAR = 10**7  # days from 1970, beyond every calendar

Days = NDArray[np.datetime64]  # datetime64[D]


def holiday_values(days: Days, country: str, column: str) -> FloatArray:
    """Gives one of HOLIDAY_COLUMNS [n] for local days [n], in 0 .. 1; ConfigError for an unknown country."""
    since, ahead = _days_since_and_to(days, country)
    if column == "holiday":
        return np.where(since == 0, 1.0, 0.0)
    return np.minimum(ahead if column == "days_to_holiday" else since, _REACH) / _REACH


def check_country(country: str) -> None:
    """Raises ConfigError for a country whose holidays are not known, and where the library is not installed."""
    _holidays(country, 2024)


def _days_since_and_to(days: Days, country: str) -> tuple[IntArray, IntArray]:
    """Gives the days since the last holiday and to the next one [n], 0 on one and _REACH where none is near."""
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    known: list[int] = [-_FAR, _FAR]
    for year in range(int(years.min()) - 1, int(years.max()) + 2) if len(years) else ():
        known += _holidays(country, year)
    holidays = np.sort(np.array(known))
    numbers = days.astype(np.int64)
    last = holidays[np.searchsorted(holidays, numbers, side="right") - 1]
    following = holidays[np.searchsorted(holidays, numbers, side="left")]
    return numbers - last, following - numbers


@lru_cache(maxsize=4096)
def _holidays(country: str, year: int) -> tuple[int, ...]:
    """Gives the holidays of one year as days since 1970."""
    try:
        import holidays
    except ModuleNotFoundError as error:
        raise ConfigError("holidays need the package `holidays`, which is not installed", code="no-holidays") from error
    try:
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError as error:
        message = f"holidays of {country[:40]!r} are not known: wanted a country by its ISO 3166-1 code, such as 'DE'"
        raise ConfigError(message, code="unknown-country") from error
    return tuple(int(np.datetime64(day, "D").astype(np.int64)) for day in found)
