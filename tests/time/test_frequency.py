from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import FrequencyError, TimestampError
from forecaster.time.frequency import Frequency, infer_frequency

INFERABLE = [
    "500us", "ms", "s", "10s", "min", "15min", "h", "6h", "36h", "D", "2D", "10D", "W-SUN", "W-MON", "2W-WED",
    "MS", "ME", "2MS", "BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "BQE-DEC",
    "YS-JAN", "YS-JUL", "YE-DEC", "2YE-DEC", "BYE-DEC",
]  # fmt: skip


def stored(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def dates(start: str, num: int, alias: str) -> np.ndarray:
    return pd.date_range(start, periods=num, freq=alias).to_numpy().astype("datetime64[us]")


def test_frequency_is_its_canonical_alias() -> None:
    assert Frequency.parse("H") == Frequency("h")
    assert Frequency.parse("Q-MAR").alias == "QE-DEC"


def test_other_spellings_are_no_frequency_without_parsing() -> None:
    with pytest.raises(FrequencyError, match="'H' is spelled 'h'"):
        Frequency("H")


def test_range_begins_with_its_start() -> None:
    assert (
        Frequency("ME").range(stored("2024-01-31")[0], 3).tolist()
        == stored("2024-01-31", "2024-02-29", "2024-03-31").tolist()
    )
    assert Frequency("step").range(np.int64(7), 3).tolist() == [7, 8, 9]


def test_range_of_nothing_is_empty() -> None:
    assert len(Frequency("B").range(stored("2024-01-01")[0], 0)) == 0


def test_advance_takes_one_number_per_start() -> None:
    starts = stored("2024-01-31", "2024-02-29")
    assert Frequency("ME").advance(starts, np.array([1, 10])).tolist() == stored("2024-02-29", "2024-12-31").tolist()
    assert Frequency("ME").advance(starts, 0).tolist() == starts.tolist()


def test_elapsed_time_is_counted_in_steps_of_mean_length() -> None:
    months = Frequency("MS").elapsed(stored("2024-01-01", "2024-02-01", "2024-04-01"), stored("2024-03-01"))
    np.testing.assert_allclose(months, [60 / 30.436875, 29 / 30.436875, -31 / 30.436875], rtol=1e-15)
    friday, tuesday = stored("2024-01-05")[0], stored("2024-01-09")[0]
    assert Frequency("B").elapsed(friday, tuesday) == 4 / 1.4
    assert Frequency("2h").elapsed(stored("2024-01-01"), stored("2024-01-02")).tolist() == [12.0]
    assert Frequency("step").elapsed(np.array([3, 9]), np.array([7])).tolist() == [4.0, -2.0]


def test_advance_refuses_starts_off_the_grid() -> None:
    with pytest.raises(TimestampError, match="2024-01-02T00:00:00 is no timestamp of frequency 'W-SUN'"):
        Frequency("W-SUN").advance(stored("2024-01-07", "2024-01-02"), 1)


@pytest.mark.parametrize("alias", INFERABLE)
@settings(deadline=None, max_examples=10)
@given(day=st.integers(-40_000, 40_000), gaps=st.sets(st.integers(1, 38), max_size=6), random=st.randoms())
def test_inference_sees_through_gaps_order_and_repeats(alias: str, day: int, gaps: set[int], random: Random) -> None:
    origin = str(np.datetime64(day, "D"))
    times = np.delete(dates(origin, 40, alias), sorted(gaps)).tolist() * 2
    random.shuffle(times)
    assert infer_frequency(np.array(times, dtype="datetime64[us]")).alias == Frequency.parse(alias).alias


def test_weekdays_without_weekends_are_business_days() -> None:
    assert infer_frequency(dates("2024-01-01", 10, "B")).alias == "B"
    assert infer_frequency(stored("2024-01-05", "2024-01-08", "2024-01-09")).alias == "B"


@pytest.mark.parametrize("start", range(8, 13))  # from a Monday to a Friday
def test_every_other_day_without_weekends_is_every_other_business_day(start: int) -> None:
    times = dates(f"2024-01-{start:02d}", 30, "2B")
    assert infer_frequency(times).alias == "2B"
    assert infer_frequency(np.delete(times, [3, 4, 11, 20])).alias == "2B"
    assert infer_frequency(dates(f"2024-01-{start:02d}", 30, "2D")).alias == "2D"


def test_days_that_meet_no_weekend_are_days() -> None:
    assert infer_frequency(dates("2024-01-01", 5, "D")).alias == "D"
    assert infer_frequency(dates("2024-01-01", 3, "2D")).alias == "2D"


def test_integers_are_steps() -> None:
    assert infer_frequency(np.array([5, 4, 9])).is_step
    assert infer_frequency(np.array([5])).is_step


def test_integers_that_never_follow_each_other_are_refused() -> None:
    with pytest.raises(FrequencyError, match="none follows another by 1"):
        infer_frequency(np.arange(0, 3600 * 10, 3600))


@pytest.mark.parametrize("num", [0, 1, 2])
def test_two_timestamps_are_too_few_to_infer_from(num: int) -> None:
    with pytest.raises(FrequencyError, match=f"from {num} timestamp") as caught:
        infer_frequency(dates("2024-01-01", num, "D"))
    assert caught.value.code == "frequency-needed"


def test_a_timestamp_off_the_grid_is_refused_and_named() -> None:
    times = np.append(dates("2024-01-01", 40, "h"), stored("2024-01-03T00:30"))
    with pytest.raises(FrequencyError, match=r"'h' from 2024-01-01T00:00:00, and 1 of 41 .* first 2024-01-03T00:30:00"):
        infer_frequency(times)


def test_sparse_days_are_days_though_two_apart_is_more_common() -> None:
    offsets = np.cumsum([0, 2, 2, 1, 2, 2, 3, 2, 1, 2])
    assert infer_frequency(stored("2024-01-05")[0] + offsets.astype("timedelta64[D]")).alias == "D"


def test_months_in_mid_month_have_no_frequency() -> None:
    with pytest.raises(FrequencyError, match="first or last day of a month"):
        infer_frequency(stored("2024-07-15", "2024-08-15", "2024-09-15"))
