import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, WindowIndex, Windows, training_windows
from forecaster.errors import ConfigError, DataError
from forecaster.types import WindowBatch
from tests.factories import panel_of, random_panel

NAN = float("nan")

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 20)


def at(*windows: tuple[int, int]) -> WindowAddresses:
    series, cutoffs = zip(*windows, strict=True)
    return WindowAddresses(np.array(series, dtype=np.int64), np.array(cutoffs, dtype=np.int64))


def all_windows(panel: Panel) -> WindowAddresses:
    return at(*[(s, cutoff) for s in range(len(panel)) for cutoff in range(panel.lengths[s] + 1)])


def slow_gather(panel: Panel, context_length: int, horizon: int, addresses: WindowAddresses) -> WindowBatch:
    """The definition of a window, one step at a time."""
    shape = len(addresses), context_length + horizon
    values, observed = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool)
    for row, (series, cutoff) in enumerate(zip(addresses.series, addresses.cutoffs, strict=True)):
        target = panel.target(int(series))
        for column in range(context_length + horizon):
            step = cutoff - context_length + column
            if 0 <= step < len(target) and not np.isnan(target[step]):
                values[row, column], observed[row, column] = target[step], True
    context, future = slice(None, context_length), slice(context_length, None)
    return WindowBatch(values[:, context], observed[:, context], values[:, future], observed[:, future])


def same(one: WindowBatch, other: WindowBatch) -> bool:
    names = ("context", "observed", "target", "target_observed")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def changed(panel: Panel, position: int) -> Panel:
    """The same panel with one value of its flat buffer replaced."""
    values = panel.values.copy()
    values[position] = 1e9
    return Panel(panel.series_ids, panel.offsets, values, panel.starts, panel.axis)


def test_window_of_the_middle_of_a_series_is_what_stands_there() -> None:
    batch = Windows(panel_of(range(100, 110)), 3, 2).gather(at((0, 5)))
    assert batch.context.tolist() == [[102, 103, 104]]
    assert batch.target.tolist() == [[105, 106]]
    assert batch.observed.all() and batch.target_observed.all()
    assert batch.context.dtype == batch.target.dtype == torch.float64


def test_missing_value_becomes_zero_and_not_observed() -> None:
    batch = Windows(panel_of([1, NAN, 3, NAN, 5]), 3, 2).gather(at((0, 3)))
    assert batch.context.tolist() == [[1, 0, 3]]
    assert batch.observed.tolist() == [[True, False, True]]
    assert batch.target.tolist() == [[0, 5]]
    assert batch.target_observed.tolist() == [[False, True]]


def test_steps_outside_a_series_are_not_those_of_its_neighbours() -> None:
    batch = Windows(panel_of([1, 1, 1], [2, 2], [3, 3, 3]), 4, 3).gather(at((1, 1), (1, 2)))
    assert batch.context.tolist() == [[0, 0, 0, 2], [0, 0, 2, 2]]
    assert batch.observed.tolist() == [[False, False, False, True], [False, False, True, True]]
    assert batch.target.tolist() == [[2, 0, 0], [0, 0, 0]]
    assert batch.target_observed.tolist() == [[True, False, False], [False, False, False]]


def test_window_longer_than_the_whole_panel_is_cut() -> None:
    batch = Windows(panel_of([1, 2]), 5, 4).gather(at((0, 1)))
    assert batch.context.tolist() == [[0, 0, 0, 0, 1]]
    assert batch.target.tolist() == [[2, 0, 0, 0]]


def test_horizon_of_zero_gives_an_empty_target() -> None:
    batch = Windows(panel_of([1, 2, 3]), 2, 0).gather(at((0, 3), (0, 1)))
    assert batch.context.tolist() == [[2, 3], [0, 1]]
    assert batch.target.shape == batch.target_observed.shape == (2, 0)


def test_no_addresses_give_an_empty_batch() -> None:
    nothing = np.empty(0, dtype=np.int64)
    batch = Windows(panel_of([1, 2, 3]), 2, 1).gather(WindowAddresses(nothing, nothing))
    assert batch.context.shape == (0, 2)
    assert batch.target.shape == (0, 1)


@given(seeds, widths, st.integers(0, 20), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=50, deadline=None)
def test_gather_gives_what_the_slow_loop_gives(seed: int, context: int, horizon: int, missing: float) -> None:
    panel = random_panel(np.random.default_rng(seed), num_series=3, longest=15, missing_share=missing)
    addresses = all_windows(panel)
    fast = Windows(panel, context, horizon).gather(addresses)
    assert same(fast, slow_gather(panel, context, horizon, addresses))


@given(seeds, widths, widths)
@settings(max_examples=50, deadline=None)
def test_window_never_sees_past_its_cutoff(seed: int, context: int, horizon: int) -> None:
    generator = np.random.default_rng(seed)
    panel = random_panel(generator, num_series=3, longest=15)
    series = int(generator.integers(3))
    cutoff = int(generator.integers(panel.lengths[series]))
    later = int(generator.integers(panel.offsets[series] + cutoff, len(panel.values)))
    here, there = (Windows(p, context, horizon).gather(at((series, cutoff))) for p in (panel, changed(panel, later)))
    assert torch.equal(here.context, there.context)
    assert torch.equal(here.observed, there.observed)


@given(seeds, widths, widths)
@settings(max_examples=50, deadline=None)
def test_other_series_never_change_a_window(seed: int, context: int, horizon: int) -> None:
    generator = np.random.default_rng(seed)
    panel = random_panel(generator, num_series=3, longest=15, missing_share=0.2)
    alone = panel_of(panel.target(1))
    cutoffs = np.arange(panel.lengths[1] + 1)
    in_company = Windows(panel, context, horizon).gather(WindowAddresses(np.ones_like(cutoffs), cutoffs))
    assert same(in_company, Windows(alone, context, horizon).gather(WindowAddresses(np.zeros_like(cutoffs), cutoffs)))


def test_batch_does_not_share_memory_with_the_panel() -> None:
    panel = panel_of([1, 2, 3, 4])
    Windows(panel, 2, 1).gather(at((0, 2))).context.zero_()
    assert panel.values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(("address", "message"), [((0, 4), "cutoff 4 of series 's0'.*0 .. 3"), ((0, -1), "cutoff -1")])
def test_cutoff_outside_its_series_is_refused(address: tuple[int, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Windows(panel_of([1, 2, 3], [4, 5]), 2, 1).gather(at(address))


@pytest.mark.parametrize("series", [-1, 2])
def test_series_outside_the_panel_is_refused(series: int) -> None:
    with pytest.raises(DataError, match=r"not all in 0 \.\. 1"):
        Windows(panel_of([1, 2, 3], [4, 5]), 2, 1).gather(at((series, 1)))


@pytest.mark.parametrize(("context", "horizon"), [(0, 1), (1, -1)])
def test_window_without_a_context_is_refused(context: int, horizon: int) -> None:
    with pytest.raises(ConfigError, match=f"got {context} and {horizon}"):
        Windows(panel_of([1, 2]), context, horizon)


def listed(index: WindowIndex) -> list[tuple[int, int]]:
    """All windows of an index by the definition: series by series, cutoffs ascending."""
    ranges = zip(index.first, index.last, strict=True)
    return [(s, cutoff) for s, (first, last) in enumerate(ranges) for cutoff in range(first, last + 1)]


def located(index: WindowIndex) -> list[tuple[int, int]]:
    addresses = index.locate(np.arange(index.num_windows))
    return list(zip(addresses.series.tolist(), addresses.cutoffs.tolist(), strict=True))


def lists_of(low: int, high: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=6, max_size=6)


@given(lists_of(0, 5), lists_of(-3, 8))
def test_index_numbers_every_window_once(first: list[int], last: list[int]) -> None:
    index = WindowIndex(np.array(first), np.array(last))
    assert index.num_windows == len(listed(index))
    assert located(index) == listed(index)


def test_index_of_a_hundred_billion_windows_costs_nothing() -> None:
    index = WindowIndex(np.ones(1000, dtype=np.int64), np.full(1000, 10**8))
    addresses = index.locate(np.array([10**11 - 1, 0, 10**8]))
    assert index.num_windows == 10**11
    assert addresses.series.tolist() == [999, 0, 1]
    assert addresses.cutoffs.tolist() == [10**8, 1, 1]


@pytest.mark.parametrize("number", [-1, 4])
def test_window_number_outside_the_index_is_refused(number: int) -> None:
    with pytest.raises(DataError, match=r"not all in 0 \.\. 3"):
        WindowIndex(np.array([1]), np.array([4])).locate(np.array([number]))


@given(seeds, widths, st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_training_windows_see_nothing_past_their_end(seed: int, horizon: int, min_context: int) -> None:
    generator = np.random.default_rng(seed)
    panel = random_panel(generator, num_series=6, longest=30)
    ends = panel.lengths - generator.integers(0, 2, 6) * generator.integers(0, panel.lengths + 1)
    for series, cutoff in located(training_windows(panel, horizon, ends, min_context)):
        assert cutoff >= min(min_context, max(1, ends[series] - horizon))
        assert min(cutoff + horizon, panel.lengths[series]) <= ends[series]
        assert cutoff < ends[series]


def test_training_windows_are_all_that_fit() -> None:
    panel = panel_of(range(10), range(7))
    index = training_windows(panel, 3, np.array([8, 7]), min_context=4)
    assert located(index) == [(0, 4), (0, 5), (1, 4)]


def test_short_series_used_to_its_end_is_trained_on_with_a_partial_target() -> None:
    panel = panel_of(range(4), range(4), range(1))
    index = training_windows(panel, 6, np.array([4, 3, 1]))
    assert located(index) == [(0, 1), (0, 2), (0, 3)]


@pytest.mark.parametrize("end", [-1, 4])
def test_training_end_outside_the_series_is_refused(end: int) -> None:
    with pytest.raises(DataError, match=f"'s0' ends after {end} steps, but it has 3"):
        training_windows(panel_of([1, 2, 3]), 1, np.array([end]))


def test_training_without_context_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_context must be 1 or more, got 0"):
        training_windows(panel_of([1, 2, 3]), 1, np.array([3]), min_context=0)
