"""The seasonal naive: by hand, with gaps, and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from forecaster.baselines import SeasonalNaive
from forecaster.data.panel import Panel
from forecaster.time.frequency import Frequency, TimeAxis


def forecast(history: list[float], season: int, horizon: int, levels: tuple[float, ...] = (0.5,)) -> np.ndarray:
    start = np.array(["2024-01-01"], "datetime64[us]")
    panel = Panel.from_arrays(["a"], start, [np.array(history)], TimeAxis(Frequency.parse("D")))
    return SeasonalNaive(season).forecast_windows(panel, np.array([0]), panel.lengths, horizon, levels)[0]


@pytest.mark.parametrize(
    ("history", "season", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], 3, [4, 5, 6, 4, 5]),
        ([1, 2, 3, 4, np.nan, 6], 3, [4, 2, 6, 4, 2]),
        ([np.nan, 7], 4, [7, 7, 7, 7, 7]),
        ([5], 1, [5, 5, 5, 5, 5]),
        ([1, 2, 3, 4, 5], 2, [4, 5, 4, 5, 4]),
    ],
)
def test_repeats_the_last_observed_season(history: list[float], season: int, expected: list[float]) -> None:
    np.testing.assert_array_equal(forecast(history, season, 5)[:, 0], expected)


def test_sees_nothing_after_the_cutoff() -> None:
    start = np.array(["2024-01-01"], "datetime64[us]")
    panel = Panel.from_arrays(["a"], start, [np.array([1.0, 2, 3, 4, 99, 99])], TimeAxis(Frequency.parse("D")))
    rows = SeasonalNaive(2).forecast_windows(panel, np.array([0]), np.array([4]), 2, (0.5,))
    np.testing.assert_array_equal(rows[0, :, 0], [3, 4])


def test_intervals_grow_with_the_root_of_the_seasons_ahead() -> None:
    history = [0.0, 10, 2, 10, 0, 10, 2, 10]
    rows = forecast(history, 2, 6, (0.1, 0.5, 0.9))
    deviation = np.sqrt(np.mean(np.square(np.array(history[2:]) - np.array(history[:-2]))))
    width = rows[:, 2] - rows[:, 0]
    np.testing.assert_allclose(width, 2 * norm.ppf(0.9) * deviation * np.sqrt([1, 1, 2, 2, 3, 3]))
