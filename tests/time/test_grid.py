"""The grids against pandas' own offsets, which are slow but sure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.time.aliases import meaning
from forecaster.time.grid import OFF_GRID

ALIASES = [
    "us", "7ms", "s", "min", "15min", "h", "5h", "36h", "D", "3D", "B", "2B", "W-SUN", "W-MON", "2W-WED",
    "MS", "ME", "2MS", "5ME", "BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "QE-NOV", "2QS-MAR", "BQE-DEC", "BQS-JAN",
    "YS-JAN", "YS-JUL", "YE-DEC", "YE-FEB", "2YS-JAN", "BYE-DEC", "BYS-JAN",
]  # fmt: skip
times_of_day = st.integers(0, 86_399)
days = st.integers(-60_000, 60_000)  # 1805 .. 2134


def pandas_range(alias: str, day: int, seconds: int, num: int) -> np.ndarray:
    origin = pd.Timestamp("1970-01-01").as_unit("us") + pd.Timedelta(days=day)
    first = pd.date_range(origin, periods=1, freq=alias)[0]
    dates = pd.date_range(first, periods=num, freq=alias)
    return (dates + pd.Timedelta(seconds=seconds)).to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
@settings(deadline=None, max_examples=10)
@given(day=days, seconds=times_of_day)
def test_grid_agrees_with_pandas(alias: str, day: int, seconds: int) -> None:
    grid, times = meaning(alias).grid, pandas_range(alias, day, seconds, 9)
    steps = np.arange(9)
    np.testing.assert_array_equal(grid.advance(times[:1], steps), times)
    np.testing.assert_array_equal(grid.advance(times, -steps), np.repeat(times[0], 9))
    np.testing.assert_array_equal(grid.positions(times[:1], times), steps)


@pytest.mark.parametrize("alias", ALIASES)
def test_times_beside_the_grid_and_before_the_start_have_no_position(alias: str) -> None:
    grid, times = meaning(alias).grid, pandas_range(alias, 20_000, 0, 4)
    assert grid.positions(times[2], times).tolist() == [OFF_GRID, OFF_GRID, 0, 1]
    if alias != "us":
        beside = times + np.timedelta64(1, "us")
        assert (grid.positions(times[0], beside) == OFF_GRID).all()


@pytest.mark.parametrize(
    ("alias", "start"),
    [
        ("W-SUN", "2024-01-01"),
        ("B", "2024-01-06"),
        ("MS", "2024-01-02"),
        ("ME", "2024-02-28"),
        ("QS-JAN", "2024-02-01"),
    ],
)
def test_a_start_off_the_anchor_has_no_position_itself(alias: str, start: str) -> None:
    time = np.array([start], dtype="datetime64[us]")
    assert meaning(alias).grid.positions(time, time).tolist() == [OFF_GRID]


def test_starts_and_times_pair_up() -> None:
    starts = np.array(["2024-01-01", "2024-03-01"], dtype="datetime64[us]")
    times = np.array(["2024-03-01", "2024-03-01"], dtype="datetime64[us]")
    assert meaning("MS").grid.positions(starts, times).tolist() == [2, 0]
    assert meaning("MS").grid.advance(starts, np.array([2, 0])).tolist() == times.tolist()


def test_steps_are_integers_one_apart() -> None:
    grid, steps = meaning("step").grid, np.arange(-2, 3)
    assert grid.positions(steps[0], steps).tolist() == [0, 1, 2, 3, 4]
    assert grid.advance(steps, np.array(3)).tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("alias", ALIASES)
def test_the_mean_step_is_that_of_whole_cycles_of_the_calendar(alias: str) -> None:
    # 4800 steps of months are whole cycles of 400 years, 4800 steps of business days are whole weeks.
    grid, start = meaning(alias).grid, pandas_range(alias, 20_000, 0, 1)
    length = (grid.advance(start, np.array([4800])) - start).astype(np.int64)[0]
    assert length / 4800 == grid.mean_step
