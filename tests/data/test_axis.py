from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import read_panel
from forecaster.errors import DataError, FrequencyError, TimestampError
from forecaster.time.frequency import Frequency, TimeAxis

HOURS = pd.date_range("2024-01-01", periods=6, freq="h")


def axis_of(times: object, **settings: object) -> TimeAxis:
    table = pd.DataFrame({"unique_id": "a", "ds": times, "y": 1.0})
    return read_panel(table, TableConfig(**settings)).panel.axis


@pytest.mark.parametrize(
    ("times", "settings", "error", "code", "message"),
    [
        (HOURS[:2], {}, FrequencyError, "frequency-needed", r"'a' is unclear: .* \(set it with `frequency`\)"),
        (HOURS, {"frequency": "hourly"}, FrequencyError, "unknown-frequency", "'hourly' is unknown"),
        (HOURS, {"frequency": "step"}, FrequencyError, "frequency-mismatch", "the time column holds timestamps"),
        ([0, 1, 2], {"frequency": "h"}, FrequencyError, "frequency-mismatch", "the time column holds integers"),
        ([0, 1, 2], {"timezone": "UTC"}, TimestampError, "timezone-of-steps", "integer steps have no time zone"),
        (HOURS, {"timezone": "Mars"}, TimestampError, "unknown-timezone", "'Mars' is unknown"),
        ([20240131, 20240201], {}, TimestampError, "integer-dates", "20240131 look like dates"),
    ],
)
def test_an_unclear_axis_is_refused(
    times: object, settings: dict[str, str], error: type[DataError], code: str, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        axis_of(times, **settings)
    assert caught.value.code == code


def test_integers_are_steps_even_where_they_look_like_dates_if_that_is_set() -> None:
    assert axis_of([202401, 202402], frequency="step") == TimeAxis(Frequency("step"))


def test_hours_that_are_shown_twice_are_refused_with_their_row() -> None:
    hours = pd.date_range("2024-10-27", periods=6, freq="h")
    with pytest.raises(TimestampError, match=r"'a', row 3: 2024-10-27T02:00:00 is shown twice .* Europe/Berlin"):
        axis_of(hours, timezone="Europe/Berlin")


def test_days_of_a_zone_may_lack_a_midnight() -> None:
    days = pd.date_range("2018-11-01", periods=6)
    assert axis_of(days, timezone="America/Sao_Paulo") == TimeAxis(Frequency("D"), "America/Sao_Paulo")


def test_local_days_given_as_instants_are_days() -> None:
    midnights = pd.date_range("2024-03-28", periods=6, tz="Europe/Berlin").tz_convert("UTC")
    assert axis_of(midnights, timezone="Europe/Berlin").frequency.alias == "D"


@pytest.mark.parametrize(
    ("alias", "frequency", "error"),
    [
        ("D", None, FrequencyError),
        ("D", "D", TimestampError),
        ("MS", None, FrequencyError),
        ("MS", "MS", TimestampError),
        ("W-SUN", "W-SUN", TimestampError),
    ],
)
def test_midnights_of_a_clock_that_changes_want_its_zone(
    alias: str, frequency: str | None, error: type[DataError]
) -> None:
    midnights = pd.date_range("2024-03-15", periods=30, freq=alias, tz="Europe/Berlin")
    assert axis_of(midnights, timezone="Europe/Berlin").frequency.alias == alias
    texts = [stamp.isoformat() for stamp in midnights]
    for times in (midnights.tz_convert("UTC"), texts):
        with pytest.raises(error, match="with `timezone`"):
            axis_of(times, frequency=frequency)


def test_hours_that_are_irregular_want_their_frequency() -> None:
    hours = HOURS.tz_localize("UTC") + pd.to_timedelta([0, 0, 1, 1, 5, 9], unit="min")
    with pytest.raises(FrequencyError, match="with `frequency`"):
        axis_of(hours)


@pytest.mark.parametrize("alias", ["2h", "h", "15min"])
def test_ticks_are_inferred_in_utc_across_a_clock_change(alias: str) -> None:
    times = pd.date_range("2024-03-31", periods=60, freq=alias, tz="Europe/Berlin")
    assert axis_of(times).frequency.alias == alias


def test_naive_hours_that_skip_the_hour_the_clock_skips_have_no_gap() -> None:
    hours = pd.date_range("2024-03-31", periods=8, freq="h", tz="Europe/Berlin").tz_localize(None)
    table = pd.DataFrame({"ds": hours, "y": np.arange(8.0)})
    panel = read_panel(table, TableConfig(timezone="Europe/Berlin")).panel
    assert panel.values.tolist() == list(range(8))
