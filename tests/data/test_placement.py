from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import PanelReading, read_panel
from forecaster.errors import FrequencyError, SeriesError, TimestampError

HOURS = list(pd.date_range("2024-01-01", periods=4, freq="h"))
DAYS = list(pd.date_range("2024-01-01", periods=4))


def read(ids: str, times: list[Any], values: object = 1.0, **settings: object) -> PanelReading:
    return read_panel(pd.DataFrame({"unique_id": [*ids], "ds": times, "y": values}), TableConfig(**settings))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (HOURS + DAYS[:3], "series 'a' has frequency 'h', but series 'b' has 'D'"),
        (DAYS + HOURS[:3], "series 'a' has frequency 'D', but series 'b' has 'h'"),
        ([0, 1, 2, 3, 0, 5, 10], "series 'a' has frequency 'step', but series 'b' has 'none, with gaps"),
        (list(pd.date_range("2024", periods=4, freq="W-MON")) + list(pd.date_range("2024", periods=3, freq="W-TUE")),
         "'a' has frequency 'W-MON', but series 'b' has 'W-TUE'"),
    ],
)  # fmt: skip
def test_two_frequencies_in_one_table_are_refused(times: list[Any], message: str) -> None:
    with pytest.raises(FrequencyError, match=message) as caught:
        read("aaaabbb", times)
    assert caught.value.code == "mixed-frequency"


def test_a_timestamp_off_the_grid_is_refused() -> None:
    times = [*HOURS, HOURS[0], pd.Timestamp("2024-01-01 01:30")]
    message = r"'b': timestamp 2024-01-01T01:30:00 in row 6 is off the grid of frequency 'h' .* \(1 of its 2 timestamps"
    with pytest.raises(TimestampError, match=message) as caught:
        read("aaaabb", times)
    assert caught.value.code == "off-grid"


def test_a_wrong_frequency_is_refused_with_the_one_that_fits() -> None:
    with pytest.raises(TimestampError, match="they look like frequency 'W-MON'"):
        read("aaaa", list(pd.date_range("2024", periods=4, freq="W-MON")), frequency="W")


def test_series_may_begin_at_different_minutes() -> None:
    half_past = [time + pd.Timedelta(minutes=30) for time in HOURS]
    assert read("aaaabbbb", HOURS + half_past).panel.lengths.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            [*HOURS, pd.Timestamp("2224-01-01")],
            r"'a' spreads 5 row\(s\) over .* from 2024-01-01T00:00:00 to 2224-01-01",
        ),
        ([0, 1, 2, 3, 10**15], "over 1000000000000001 steps of 'step'"),
    ],
)
def test_one_wrong_year_does_not_fill_the_memory(times: list[Any], message: str) -> None:
    with pytest.raises(TimestampError, match=message) as caught:
        read("aaaaa", times)
    assert caught.value.code == "too-many-gaps"


def test_the_series_of_a_wide_table_share_the_steps_it_may_spread_over() -> None:
    table = pd.DataFrame({f"s{i}": [1.0, 2.0, 3.0] for i in range(100)} | {"ds": [0, 1, 20_000]})
    with pytest.raises(TimestampError, match="may span 10000 steps"):
        read_panel(table)


def test_a_series_without_any_value_is_refused() -> None:
    with pytest.raises(SeriesError, match="1 series without any observed value, first 'b'"):
        read("aabb", [0, 1, 0, 1], [1, 2, None, None])


def test_wide_tables_are_wrong_as_a_whole() -> None:
    table = pd.DataFrame({"t": [HOURS[0], HOURS[1], HOURS[1]], "a": 1.0})
    with pytest.raises(TimestampError, match="the table: timestamp 2024-01-01T01:00:00 in row 3"):
        read_panel(table, TableConfig(frequency="h"))
