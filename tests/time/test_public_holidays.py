from __future__ import annotations

import sys

import numpy as np
import pytest

from forecaster.errors import ConfigError
from forecaster.time import public_holidays
from forecaster.time.calendar import calendar_columns, calendar_values, local_times
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.time.public_holidays import check_country, holiday_values


def test_holidays_and_the_days_around_them() -> None:
    days = np.arange("2024-12-24", "2025-01-03", dtype="datetime64[D]")  # 25, 26 December and 1 January in Germany
    assert holiday_values(days, "DE", "holiday").tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(holiday_values(days, "DE", "days_to_holiday") * 7, [1, 0, 0, 5, 4, 3, 2, 1, 0, 7])
    np.testing.assert_allclose(holiday_values(days, "DE", "days_since_holiday")[1:] * 7, [0, 0, 1, 2, 3, 4, 5, 0, 1])


def test_days_far_from_any_holiday_are_seven_days_away() -> None:
    days = np.array(["2024-02-15", "1600-01-01"], dtype="datetime64[D]")
    assert holiday_values(days, "DE", "days_to_holiday").tolist() == [1, 1]
    assert holiday_values(days, "DE", "days_since_holiday").tolist() == [1, 1]


def test_holidays_follow_the_local_day() -> None:
    axis = TimeAxis(Frequency("h"), "Asia/Tokyo")
    stored = np.array(["2023-12-31T14:00", "2023-12-31T15:00"], dtype="datetime64[us]")  # midnight in Tokyo between
    columns = calendar_columns((), axis, "JP")
    assert calendar_values(local_times(stored, axis, None), columns, "JP")[:, 0].tolist() == [0, 1]


def test_no_days_have_no_holidays() -> None:
    assert len(holiday_values(np.empty(0, dtype="datetime64[D]"), "DE", "holiday")) == 0


@pytest.mark.parametrize("country", ["XX", "", "Atlantis"])
def test_unknown_countries_are_refused(country: str) -> None:
    with pytest.raises(ConfigError, match=f"holidays of '{country}' are not known.*ISO 3166-1") as caught:
        check_country(country)
    assert caught.value.code == "unknown-country"


def test_without_the_package_a_country_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    public_holidays._holidays.cache_clear()
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match="package `holidays`, which is not installed"):
        check_country("DE")
