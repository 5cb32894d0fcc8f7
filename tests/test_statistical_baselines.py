"""AutoETS and AutoTheta: the numbers of statsforecast, for histories that it would refuse too."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from forecaster.baselines.seasonal_naive import SeasonalNaive
from forecaster.baselines.statistical import MOST_STEPS, Statistical, StatisticalName, filled, quantiles_of
from forecaster.errors import ConfigError
from tests.factories import panel_of

NAN = np.nan
LEVELS = (0.1, 0.2, 0.5, 0.8, 0.9)
SEASON = 4
DRAW = np.random.default_rng(0)
HISTORY = 20 + 3 * np.tile([0.0, 1.0, 2.0, 1.0], 12) + DRAW.normal(0, 0.5, 48)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, NAN, NAN, 4.0], [1.0, 2.0, 3.0, 4.0]),
        ([NAN, 3.0, 4.0, NAN, NAN], [3.0, 4.0, 4.0, 4.0]),
        ([NAN, NAN], []),
    ],
)
def test_missing_values_are_filled_from_what_surrounds_them(history: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(filled(np.array(history)), expected)


def test_quantiles_ascend_where_the_mean_lies_beyond_an_inner_one() -> None:
    said = {"mean": np.array([5.0]), "lo-80": np.array([1.0]), "hi-80": np.array([9.0])}
    skewed = {"lo-60.0": np.array([2.0]), "hi-60.0": np.array([4.0])}
    np.testing.assert_array_equal(quantiles_of(said | skewed, LEVELS), [[1.0, 2.0, 5.0, 5.0, 9.0]])


def test_without_statsforecast_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(ConfigError, match=r"install forecaster\[baselines\]"):
        Statistical("auto_ets", SEASON)


@pytest.mark.long
@pytest.mark.slow  # importing statsforecast compiles for seconds
@pytest.mark.parametrize(("name", "peer"), [("auto_ets", "AutoETS"), ("auto_theta", "AutoTheta")])
def test_the_numbers_are_those_of_statsforecast(name: StatisticalName, peer: str) -> None:
    from statsforecast import models

    panel = panel_of(HISTORY, [5.0, 6.0, 7.0])
    ours = Statistical(name, SEASON)
    found = ours.forecast_windows(panel, np.array([0, 0]), np.array([48, 40]), 6, LEVELS)
    for place, cutoff in enumerate((48, 40)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(models, peer)(season_length=SEASON).forecast(y=HISTORY[:cutoff], h=6, level=[60, 80])
        columns = [theirs[key] for key in ("lo-80", "lo-60", "mean", "hi-60", "hi-80")]
        np.testing.assert_allclose(found[place], np.stack(columns, axis=1), rtol=1e-9)
    assert (ours.num_windows, ours.num_filled, ours.num_fallbacks) == (2, 0, 0)


@pytest.mark.long
@pytest.mark.slow
def test_what_it_cannot_take_as_it_is_is_filled_or_left_to_the_naive_and_counted() -> None:
    with_gaps = HISTORY.copy()
    with_gaps[[10, 11, 47]] = NAN
    short = [5.0, 6.0, 7.0]
    panel = panel_of(with_gaps, short)
    ours = Statistical("auto_ets", SEASON)
    found = ours.forecast_windows(panel, np.array([0, 1]), np.array([48, 3]), 2, LEVELS)
    whole = Statistical("auto_ets", SEASON).forecast_windows(
        panel_of(filled(with_gaps)), np.array([0]), np.array([48]), 2, LEVELS
    )
    np.testing.assert_array_equal(found[0], whole[0])
    naive = SeasonalNaive(SEASON).forecast_windows(panel, np.array([1]), np.array([3]), 2, LEVELS)
    np.testing.assert_array_equal(found[1], naive[0])
    assert str(ours).startswith("auto_ets: 3 of 51 visible values were missing and filled")
    assert "1 of 2 windows were left to the seasonal naive" in str(ours)


@pytest.mark.slow  # importing statsforecast compiles for seconds
@pytest.mark.parametrize(("name", "history"), [("auto_theta", [5.0, 6.0, 9.0, 7.0]), ("auto_ets", [5.0] * 4)])
def test_a_history_for_whose_intervals_it_has_no_numbers_is_left_to_the_naive(
    name: StatisticalName, history: list[float]
) -> None:
    panel, place = panel_of(history), (np.array([0]), np.array([4]))
    ours = Statistical(name, 1)
    naive = SeasonalNaive(1).forecast_windows(panel, *place, 2, LEVELS)
    np.testing.assert_array_equal(ours.forecast_windows(panel, *place, 2, LEVELS), naive)
    assert ours.num_fallbacks == 1


@pytest.mark.long
@pytest.mark.slow
def test_nothing_after_the_cutoff_and_nothing_long_ago_moves_a_forecast() -> None:
    length = MOST_STEPS + 20
    target = np.sin(np.arange(length)) + np.arange(length) / 500
    changed = target.copy()
    changed[:10], changed[-10:] = 1e4, -1e4
    windows = np.array([0]), np.array([length - 10])
    found = [
        Statistical("auto_theta", 1).forecast_windows(panel_of(values), *windows, 3, (0.5,))
        for values in (target, changed)
    ]
    np.testing.assert_array_equal(*found)
