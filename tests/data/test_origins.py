"""Origins: cutoffs as they are drawn, each step of a series forecast at most once where they are consecutive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.data.origins import Consecutive, CountedBack, default_min_context, with_a_value_to_see
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.data.windows import WindowAddresses
from forecaster.errors import SeriesError
from tests.factories import panel_of


def panel_with(lengths: list[int], frequency: str = "h") -> Panel:
    return panel_of(*[np.arange(length, dtype=np.float64) for length in lengths], frequency=frequency)


def pairs(addresses: WindowAddresses) -> list[tuple[int, int]]:
    return list(zip(addresses.series.tolist(), addresses.cutoffs.tolist(), strict=True))


def test_windows_counted_back_are_the_folds_series_by_series() -> None:
    panel = panel_with([20, 9])
    assert pairs(CountedBack(2).addresses(panel, 4, 3)) == [(0, 12), (0, 16), (1, 5)]
    assert pairs(CountedBack(2, 1).addresses(panel, 4, 3)) == [(0, 15), (0, 16), (1, 4), (1, 5)]
    folds = rolling_origin(panel, 4, 2, min_context=3)
    assert sorted(pairs(CountedBack(2).addresses(panel, 4, 3))) == sorted(
        (int(series), int(cutoff)) for fold in folds for series, cutoff in zip(fold.series, fold.cutoffs, strict=True)
    )


def test_a_fold_that_no_series_is_long_enough_for_is_refused() -> None:
    with pytest.raises(SeriesError, match="the longest series has 9 steps, but 11 are needed"):
        CountedBack(2).addresses(panel_with([9, 5]), 4, 3)


def test_consecutive_windows_are_as_drawn() -> None:
    assert pairs(Consecutive().addresses(panel_with([16, 6, 7]), 4, 6)) == [(0, 6), (0, 10), (0, 14), (2, 6)]


def test_the_last_steps_alone_are_forecast_where_that_is_asked_for() -> None:
    panel = panel_with([16, 7, 5])
    assert pairs(Consecutive(last=5).addresses(panel, 2, 5)) == [(0, 11), (0, 13), (0, 15), (1, 5)]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.integers(1, 9),
    st.integers(1, 12),
    st.none() | st.integers(1, 50),
)
def test_consecutive_windows_forecast_each_step_once(
    lengths: list[int], horizon: int, least: int, last: int | None
) -> None:
    found = [
        (series, step)
        for series, cutoff in pairs(Consecutive(last).addresses(panel_with(lengths), horizon, least))
        for step in range(cutoff, min(cutoff + horizon, lengths[series]))
    ]
    firsts = [least if last is None else max(least, length - last) for length in lengths]
    assert found == [(series, step) for series, length in enumerate(lengths) for step in range(firsts[series], length)]


@given(st.integers(1, 40), st.integers(1, 10), st.integers(1, 9), st.integers(1, 12))
def test_steps_that_are_added_move_no_cutoff(length: int, added: int, horizon: int, least: int) -> None:
    before, after = (pairs(Consecutive().addresses(panel_with([n]), horizon, least)) for n in (length, length + added))
    assert after[: len(before)] == before


def test_two_seasons_are_asked_for_or_what_the_model_looks_at() -> None:
    assert default_min_context(panel_with([5]), 512) == 48
    assert default_min_context(panel_with([5]), 32) == 32
    assert default_min_context(panel_with([5], "YS"), 32) == 2


def test_windows_without_a_value_to_see_are_left_out() -> None:
    nan = float("nan")
    panel = panel_of([1.0, nan, nan, nan, 5.0, 6.0], [1.0, 2.0, nan])
    every = WindowAddresses(np.array([0, 0, 0, 0, 0, 1, 1]), np.array([1, 2, 3, 4, 5, 0, 3]))
    assert pairs(with_a_value_to_see(panel, every, 2)) == [(0, 1), (0, 2), (0, 5), (1, 3)]
