from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.arrays import FloatArray
from forecaster.config import CovariateConfig
from forecaster.data.covariates import PanelCovariates, covariate_config
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows
from forecaster.errors import ColumnError, ConfigError
from forecaster.time.calendar import calendar_values, default_calendar, local_times
from forecaster.types import CovariateBatch, Masked
from tests.factories import covariate_panel, panel_of

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 12)


def all_windows(panel: Panel) -> WindowAddresses:
    windows = [(series, cutoff) for series in range(len(panel)) for cutoff in range(panel.lengths[series] + 1)]
    series, cutoffs = np.array(windows).T
    return WindowAddresses(series, cutoffs)


def at(series: int, cutoff: int) -> WindowAddresses:
    return WindowAddresses(np.array([series]), np.array([cutoff]))


def covariates_of(windows: Windows, addresses: WindowAddresses) -> CovariateBatch:
    covariates = windows.gather(addresses).covariates
    assert covariates is not None
    return covariates


def masked(table: FloatArray) -> Masked:
    return Masked(torch.from_numpy(np.nan_to_num(table)), torch.from_numpy(~np.isnan(table)))


def same(one: Masked, other: Masked) -> bool:
    return torch.equal(one.values, other.values) and torch.equal(one.observed, other.observed)


def identical(one: CovariateBatch, other: CovariateBatch) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("past", "known", "static")]
    return all(same(*pair) for pair in pairs) and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("calendar", "categories")
    )


def elapsed_of(panel: Panel, shape: tuple[int, int], addresses: WindowAddresses) -> torch.Tensor:
    elapsed = covariates_of(Windows(panel, *shape, reads_elapsed=True), addresses).elapsed
    assert elapsed is not None
    assert elapsed.dtype == torch.float32
    return elapsed


def slow_covariates(
    panel: Panel, config: CovariateConfig, shape: tuple[int, int], at: WindowAddresses
) -> CovariateBatch:
    """The definition of a window's covariates, one window, step and column at a time."""
    windows = list(zip(at.series.tolist(), at.cutoffs.tolist(), strict=True))
    steps = [[cutoff - shape[0] + column for column in range(sum(shape))] for _, cutoff in windows]
    held, lengths, reaches = panel.covariates, panel.lengths, np.diff(panel.covariates.known_offsets)
    past = np.full((len(at), shape[0], len(config.past)), np.nan)
    known = np.full((len(at), sum(shape), len(config.known)), np.nan)
    for row, (series, _) in enumerate(windows):
        for column, step in enumerate(steps[row]):
            if column < shape[0] and 0 <= step < lengths[series]:
                places = [held.past_names.index(name) for name in config.past]
                past[row, column] = [held.past[panel.offsets[series] + step, place] for place in places]
            if 0 <= step < reaches[series]:
                places = [held.known_names.index(name) for name in config.known]
                known[row, column] = [held.known[held.known_offsets[series] + step, place] for place in places]
    calendar = [slow_calendar(panel, config, series, steps[row]) for row, (series, _) in enumerate(windows)]
    static = [[held.static[series, held.static_names.index(name)] for name in config.static] for series, _ in windows]
    return CovariateBatch(
        masked(past),
        masked(known),
        torch.from_numpy(np.array(calendar, dtype=np.float32)),
        masked(np.array(static)),
        torch.tensor([slow_categories(panel, config, series) for series, _ in windows]),
    )


def slow_calendar(panel: Panel, config: CovariateConfig, series: int, steps: list[int]) -> list[FloatArray]:
    times = [panel.axis.frequency.advance(panel.starts[[series]], step) for step in steps]
    return [calendar_values(local_times(time, panel.axis, None), config.calendar, config.holidays)[0] for time in times]


def slow_categories(panel: Panel, config: CovariateConfig, series: int) -> list[int]:
    held = panel.covariates
    texts = [held.categories[series, held.category_names.index(name)] for name in config.categories]
    known = config.categories.values()
    return [names.index(text) + 1 if text in names else 0 for text, names in zip(texts, known, strict=True)]


@given(seed=seeds, context=widths, ahead=st.integers(0, 8), zone=st.sampled_from([None, "Europe/Berlin"]))
@settings(max_examples=30, deadline=None)
def test_gather_gives_what_the_slow_loop_gives(seed: int, context: int, ahead: int, zone: str | None) -> None:
    panel = covariate_panel(np.random.default_rng(seed), num_series=3, longest=8, timezone=zone)
    config = covariate_config(panel, ("hour_of_day", "day_of_week"))
    addresses = all_windows(panel)
    fast = covariates_of(Windows(panel, context, 0, config, ahead), addresses)
    assert identical(fast, slow_covariates(panel, config, (context, ahead), addresses))


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_columns_come_in_the_order_of_the_config_and_others_are_left_out(seed: int) -> None:
    panel = covariate_panel(np.random.default_rng(seed), num_series=3, longest=8)
    config = CovariateConfig(
        past=("p1",), known=("k1", "k0"), static=("n1", "n0"), categories={"c1": ("B", "A"), "c0": ("C",)}
    )
    addresses = all_windows(panel)
    fast = covariates_of(Windows(panel, 5, 3, config), addresses)
    assert identical(fast, slow_covariates(panel, config, (5, 3), addresses))


def test_kinds_without_columns_are_empty() -> None:
    panel = covariate_panel(np.random.default_rng(0))
    covariates = covariates_of(Windows(panel, 5, 3, CovariateConfig(static=("n0",))), at(0, 1))
    assert covariates.past.values.shape == (1, 5, 0)
    assert covariates.known.observed.shape == (1, 8, 0)
    assert covariates.calendar.shape == (1, 8, 0)
    assert covariates.categories.shape == (1, 0)
    assert covariates.static.values.dtype == torch.float64


def test_no_addresses_give_empty_covariates() -> None:
    panel = covariate_panel(np.random.default_rng(0))
    nothing = np.empty(0, dtype=np.int64)
    windows = Windows(panel, 4, 2, covariate_config(panel, default_calendar(panel.axis.frequency)))
    covariates = covariates_of(windows, WindowAddresses(nothing, nothing))
    assert covariates.past.values.shape == (0, 4, 2)
    assert covariates.calendar.shape == (0, 6, 6)


@pytest.mark.parametrize(
    ("frequency", "cutoff", "days", "mean_days"),
    [
        # January to April 2024, then May and June: the ends of the steps are the firsts of the next months.
        ("MS", 4, [29 + 31 + 30, 31 + 30, 30, 0, -31, -61], 30.436875),
        # Tuesday to Friday, then Monday and Tuesday: Friday ends where Monday begins.
        ("B", 5, [5, 4, 3, 0, -1, -2], 1.4),
        # The leap year 2024 and 2025, after two years before the start of the series.
        ("YS-JAN", 2, [365 + 366 + 365, 366 + 365, 365, 0, -365, -730], 365.2425),
    ],
)
def test_elapsed_time_by_hand(frequency: str, cutoff: int, days: list[int], mean_days: float) -> None:
    elapsed = elapsed_of(panel_of(range(6), frequency=frequency), (4, 2), at(0, cutoff))
    np.testing.assert_allclose(elapsed[0], np.array(days) / mean_days, rtol=1e-7)


@pytest.mark.parametrize("frequency", ["step", "us", "7ms", "s", "15min", "h", "36h", "D", "10D", "W-MON", "2W-MON"])
def test_elapsed_time_is_the_number_of_steps_where_all_last_equally_long(frequency: str) -> None:
    panel = panel_of(range(3000), range(10), frequency=frequency)
    addresses = WindowAddresses(np.array([0, 0, 1]), np.array([2999, 5, 10]))
    expected = torch.arange(511, -25, -1, dtype=torch.float32).expand(3, -1)
    assert torch.equal(elapsed_of(panel, (512, 24), addresses), expected)


@given(seed=seeds, context=widths, ahead=st.integers(0, 8), frequency=st.sampled_from(["MS", "B", "2B", "QS-JAN", "h"]))
@settings(max_examples=30, deadline=None)
def test_elapsed_time_is_what_the_slow_loop_gives(seed: int, context: int, ahead: int, frequency: str) -> None:
    panel = covariate_panel(np.random.default_rng(seed), num_series=3, longest=8, frequency=frequency)
    addresses, steps = all_windows(panel), panel.axis.frequency
    elapsed = elapsed_of(panel, (context, ahead), addresses)
    for row, (series, cutoff) in enumerate(zip(addresses.series, addresses.cutoffs, strict=True)):
        start = panel.starts[[series]]
        now = steps.advance(start, cutoff)
        expected = [steps.elapsed(steps.advance(start, cutoff + k + 1), now)[0] for k in range(-context, ahead)]
        np.testing.assert_allclose(elapsed[row], expected, rtol=1e-7)
        assert (elapsed[row].diff() < 0).all()


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_neither_later_steps_nor_other_series_change_the_elapsed_time(seed: int) -> None:
    generator = np.random.default_rng(seed)
    panel = covariate_panel(generator, num_series=3, frequency="B")
    cutoffs = generator.integers(1, panel.lengths, endpoint=True)
    whole = elapsed_of(panel, (6, 5), WindowAddresses(np.arange(3), cutoffs))
    assert torch.equal(whole, elapsed_of(panel.head(cutoffs), (6, 5), WindowAddresses(np.arange(3), cutoffs)))
    for series in range(3):
        assert torch.equal(whole[[series]], elapsed_of(panel.select([series]), (6, 5), at(0, int(cutoffs[series]))))


def test_the_elapsed_time_is_cut_where_it_is_read_and_alone_where_nothing_else_is() -> None:
    panel = covariate_panel(np.random.default_rng(0))
    assert covariates_of(Windows(panel, 5, 3, covariate_config(panel)), at(0, 1)).elapsed is None
    alone = covariates_of(Windows(panel, 5, 3, CovariateConfig(), reads_elapsed=True), at(0, 1))
    assert alone.elapsed is not None
    assert (alone.past.values.shape, alone.calendar.shape, alone.static.values.shape) == ((1, 5, 0), (1, 8, 0), (1, 0))
    assert covariates_of(Windows(panel, 5, 0, None, 4, reads_elapsed=True), at(0, 1)).calendar.shape == (1, 9, 0)
    nothing = np.empty(0, dtype=np.int64)
    assert elapsed_of(panel, (5, 3), WindowAddresses(nothing, nothing)).shape == (0, 8)


def test_without_a_config_nothing_is_cut() -> None:
    panel = covariate_panel(np.random.default_rng(0))
    assert Windows(panel, 5, 3).gather(at(0, 1)).covariates is None
    assert Windows(panel, 5, 3, CovariateConfig()).gather(at(0, 1)).covariates is None


@given(seed=seeds, context=widths, ahead=st.integers(0, 8))
@settings(max_examples=50, deadline=None)
def test_nothing_of_a_past_covariate_after_the_cutoff_reaches_a_window(seed: int, context: int, ahead: int) -> None:
    generator = np.random.default_rng(seed)
    panel = covariate_panel(generator, num_series=3)
    series = int(generator.integers(3))
    cutoff = int(generator.integers(panel.lengths[series] + 1))
    past = panel.covariates.past.copy()
    past[panel.offsets[series] + cutoff :] = 1e9
    past[: panel.offsets[series]] = 1e9
    other = replace(panel, covariates=replace(panel.covariates, past=past))
    config = covariate_config(panel)
    here, there = (covariates_of(Windows(p, context, 0, config, ahead), at(series, cutoff)) for p in (panel, other))
    assert identical(here, there)


@given(seed=seeds, context=widths, ahead=st.integers(0, 8))
@settings(max_examples=50, deadline=None)
def test_known_covariates_reach_a_window_up_to_the_covariate_horizon(seed: int, context: int, ahead: int) -> None:
    generator = np.random.default_rng(seed)
    panel = covariate_panel(generator, num_series=3, missing_share=0.0)
    series = int(generator.integers(3))
    cutoff = int(generator.integers(panel.lengths[series] + 1))
    held = panel.covariates
    begin, end = held.known_offsets[series], held.known_offsets[series + 1]
    known = held.known.copy()
    known[begin + cutoff + ahead : end] = 1e9
    config = covariate_config(panel)
    here = covariates_of(Windows(panel, context, 0, config, ahead), at(series, cutoff)).known
    other = replace(panel, covariates=replace(held, known=known))
    assert same(here, covariates_of(Windows(other, context, 0, config, ahead), at(series, cutoff)).known)
    visible = min(ahead, end - begin - cutoff)
    np.testing.assert_array_equal(here.values[0, context : context + visible], held.known[begin + cutoff :][:visible])
    assert not here.observed[0, context + visible :].any()


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_other_series_never_change_the_covariates_of_a_window(seed: int) -> None:
    panel = covariate_panel(np.random.default_rng(seed), num_series=3)
    config = covariate_config(panel, ("hour_of_day",))
    cutoffs = np.arange(panel.lengths[1] + 1)
    together = covariates_of(Windows(panel, 6, 4, config), WindowAddresses(np.ones_like(cutoffs), cutoffs))
    alone = Windows(panel.select([1]), 6, 4, config)
    assert identical(together, covariates_of(alone, WindowAddresses(np.zeros_like(cutoffs), cutoffs)))


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_panel_cut_off_at_a_window_gives_the_same_covariates_at_its_end(seed: int) -> None:
    generator = np.random.default_rng(seed)
    panel = covariate_panel(generator, num_series=3)
    cutoffs = generator.integers(1, panel.lengths, endpoint=True)
    config = covariate_config(panel, ("hour_of_day",))
    addresses = WindowAddresses(np.arange(3), cutoffs)
    whole, cut = (covariates_of(Windows(p, 6, 0, config, 5), addresses) for p in (panel, panel.head(cutoffs)))
    assert identical(whole, cut)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            CovariateConfig(past=("p1", "q")),
            r"needs the past covariate 'q'.*wanted are 'p1', 'q', there are 'p0', 'p1'",
        ),
        (CovariateConfig(known=("p0",)), r"needs the known covariate 'p0'.*\(it is a past one here\)"),
        (CovariateConfig(static=("q",)), "needs the static covariate 'q'"),
        (CovariateConfig(categories={"n0": ("A",)}), r"needs the category covariate 'n0'.*\(it is a static one here\)"),
    ],
)
def test_a_panel_that_lacks_a_covariate_is_refused(config: CovariateConfig, problem: str) -> None:
    with pytest.raises(ColumnError, match=problem) as caught:
        Windows(covariate_panel(np.random.default_rng(0)), 5, 3, config)
    assert caught.value.code == "missing-covariate"


@pytest.mark.parametrize("config", [CovariateConfig(calendar=("noon",)), CovariateConfig(holidays="DE")])
def test_a_calendar_that_cannot_be_is_refused_at_once(config: CovariateConfig) -> None:
    with pytest.raises(ConfigError, match=r"'noon' is unknown|where their country is named"):
        Windows(panel_of([1, 2]), 5, 3, config)


def test_a_negative_covariate_horizon_is_refused() -> None:
    with pytest.raises(ConfigError, match="covariate_horizon must be 0 or more, got -1"):
        Windows(panel_of([1, 2]), 5, 0, covariate_horizon=-1)


def test_texts_not_in_the_vocabulary_and_missing_ones_are_number_zero() -> None:
    held = PanelCovariates.from_arrays(categories={"c": ["B", "Z", None]})
    panel = replace(panel_of([1], [2], [3]), covariates=held)
    config = CovariateConfig(categories={"c": ("A", "B")})
    covariates = covariates_of(Windows(panel, 1, 0, config), WindowAddresses(np.arange(3), np.ones(3, dtype=np.int64)))
    assert covariates.categories.tolist() == [[2], [0], [0]]


@given(seed=seeds, frequency=st.sampled_from(["h", "D", "MS", "step"]))
@settings(max_examples=40, deadline=None)
def test_groups_are_equal_exactly_for_one_group_at_one_time(seed: int, frequency: str) -> None:
    generator = np.random.default_rng(seed)
    panel = covariate_panel(generator, num_series=5, longest=8, frequency=frequency)
    addresses = all_windows(panel)
    numbers = Windows(panel, 4, 2).gather(addresses).groups
    assert numbers is not None
    assert numbers.dtype == torch.int64
    times = [
        panel.axis.frequency.advance(panel.starts[[series]], cutoff)[0]
        for series, cutoff in zip(addresses.series, addresses.cutoffs, strict=True)
    ]
    groups = panel.groups[addresses.series]
    for one in range(len(addresses)):
        for other in range(one):
            is_same = groups[one] == groups[other] and times[one] == times[other]
            assert (numbers[one] == numbers[other]) == is_same


def test_batches_of_a_panel_without_groups_have_none() -> None:
    assert Windows(panel_of([1, 2], [3]), 2, 1).gather(at(0, 1)).groups is None
