"""Sampling: batches repeat themselves, windows come as often as they should, groups come whole."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.arrays import IntArray
from forecaster.data.companies import Companies
from forecaster.data.panel import Panel
from forecaster.data.sampling import GroupSampler, WindowSampler, WindowWeights
from forecaster.data.windows import WindowAddresses, WindowIndex, training_windows
from forecaster.errors import SeriesError
from forecaster.time.frequency import Frequency, TimeAxis

MANY = 100_000


def index_of(counts: list[int]) -> WindowIndex:
    return WindowIndex(np.ones(len(counts), dtype=np.int64), np.array(counts, dtype=np.int64))


def drawn(sampler: WindowSampler, step: int) -> tuple[IntArray, IntArray]:
    addresses = sampler.addresses(step)
    return addresses.series, addresses.cutoffs


ALL_WEIGHTS = [
    WindowWeights(series_alike, half_life) for series_alike in (False, True) for half_life in (None, 1, 3, 10_000)
]


@pytest.mark.parametrize("weights", ALL_WEIGHTS, ids=str)
def test_batch_depends_on_seed_and_step_alone(weights: WindowWeights) -> None:
    one, other = (WindowSampler(index_of([50, 70]), 64, 3, weights) for _ in range(2))
    one.addresses(0)
    np.testing.assert_array_equal(drawn(one, 7), drawn(other, 7))
    assert not np.array_equal(drawn(one, 7), drawn(one, 8))
    assert not np.array_equal(drawn(one, 7), drawn(WindowSampler(index_of([50, 70]), 64, 4, weights), 7))


@pytest.mark.parametrize("weights", ALL_WEIGHTS, ids=str)
def test_windows_are_drawn_as_often_as_they_weigh(weights: WindowWeights) -> None:
    counts = [3, 0, 5, 1, 2, 0]
    windows = [(s, cutoff) for s, count in enumerate(counts) for cutoff in range(1, count + 1)]
    wanted = np.array(
        [0.5 ** ((counts[s] - cutoff) / weights.half_life) if weights.half_life else 1 for s, cutoff in windows]
    )
    if weights.series_alike:
        of_series = np.array([s for s, _ in windows])
        wanted = np.array([w / wanted[of_series == s].sum() for w, s in zip(wanted, of_series, strict=True)])
    wanted = MANY * wanted / wanted.sum()
    series, cutoffs = drawn(WindowSampler(index_of(counts), MANY, 0, weights), 0)
    times = np.array([np.sum((series == s) & (cutoffs == cutoff)) for s, cutoff in windows])
    assert times.sum() == MANY
    # Each count is binomial: within 5 standard deviations.
    assert (np.abs(times - wanted) < 5 * np.sqrt(wanted)).all()


def test_windows_of_a_very_long_series_are_all_within_it() -> None:
    index = index_of([10**11])
    for half_life in (None, 1, 10**6):
        _, cutoffs = drawn(WindowSampler(index, 1000, 0, WindowWeights(series_alike=True, half_life=half_life)), 0)
        assert cutoffs.min() >= 1
        assert cutoffs.max() <= 10**11
    assert 10**11 - 1.2e6 < np.median(cutoffs) < 10**11 - 0.8e6


@pytest.mark.parametrize("weights", ALL_WEIGHTS, ids=str)
def test_sampler_without_windows_is_refused(weights: WindowWeights) -> None:
    with pytest.raises(SeriesError, match="no window to draw"):
        WindowSampler(index_of([0, 0]), 4, 0, weights)


def grouped_panel(frequency: str, starts: list[str], lengths: list[int], groups: list[int]) -> Panel:
    return Panel.from_arrays(
        [f"s{i}" for i in range(len(starts))],
        np.array(starts, dtype="datetime64[us]"),
        [np.arange(1.0, length + 1) for length in lengths],
        TimeAxis(Frequency.parse(frequency)),
        groups=groups,
    )


HOURLY = grouped_panel(
    "h",
    ["2024-01-01T00", "2024-01-01T05", "2024-01-01T00", "2023-12-31T22", "2024-01-01T02"],
    [40, 30, 35, 25, 12],
    [7, 7, 3, 3, 7],
)


def company_by_definition(panel: Panel, index: WindowIndex, series: int, cutoff: int) -> set[tuple[int, int]]:
    """All windows of the index whose series is of the same group, and whose cutoff is the same timestamp."""

    def when(series: int, cutoff: int) -> np.datetime64:
        return panel.axis.frequency.advance(panel.starts[series : series + 1], cutoff)[0]

    return {
        (other, step)
        for other in range(len(panel))
        for step in range(int(index.first[other]), int(index.last[other]) + 1)
        if panel.groups[other] == panel.groups[series] and when(other, step) == when(series, cutoff)
    }


def pairs(addresses: WindowAddresses) -> list[tuple[int, int]]:
    return list(zip(addresses.series.tolist(), addresses.cutoffs.tolist(), strict=True))


def test_a_company_is_all_that_its_group_has_at_one_timestamp() -> None:
    index = training_windows(HOURLY, 4, HOURLY.lengths - np.array([0, 6, 0, 3, 0]))
    companies = Companies(HOURLY, index)
    for series, cutoff in [(0, 1), (0, 6), (0, 36), (1, 1), (2, 20), (3, 18), (4, 8)]:
        found = pairs(companies.completed(WindowAddresses(np.array([series]), np.array([cutoff]))))
        assert len(set(found)) == len(found)
        assert set(found) == company_by_definition(HOURLY, index, series, cutoff)


def test_series_on_different_grids_never_meet() -> None:
    panel = grouped_panel("2h", ["2024-01-01T00", "2024-01-01T01", "2024-01-01T04"], [30, 30, 30], [1, 1, 1])
    companies = Companies(panel, training_windows(panel, 2, panel.lengths))
    assert pairs(companies.completed(WindowAddresses(np.array([0]), np.array([9])))) == [(0, 9), (2, 7)]
    assert pairs(companies.completed(WindowAddresses(np.array([1]), np.array([9])))) == [(1, 9)]


def test_a_batch_holds_whole_companies_side_by_side_and_each_once() -> None:
    index = training_windows(HOURLY, 4, HOURLY.lengths)
    sampler = GroupSampler(WindowSampler(index, 60, seed=0), Companies(HOURLY, index))
    found = pairs(sampler.addresses(3))
    assert found == pairs(sampler.addresses(3))
    assert len(set(found)) == len(found)
    seen: set[tuple[int, int]] = set()
    while found:
        company = company_by_definition(HOURLY, index, *found[0])
        assert set(found[: len(company)]) == company
        assert not company & seen
        seen |= company
        found = found[len(company) :]


def test_the_mean_company_is_series_per_group() -> None:
    assert Companies(HOURLY, training_windows(HOURLY, 4, HOURLY.lengths)).mean_size == 2.5
