import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecaster.config import SplitConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, Split, rolling_origin, split_panel
from forecaster.data.windows import training_windows
from forecaster.errors import ConfigError, SeriesError
from tests.factories import panel_of

horizons = st.integers(1, 8)
fold_counts = st.integers(1, 4)
steps = st.none() | st.integers(1, 12)
length_lists = st.lists(st.integers(1, 120), min_size=1, max_size=6)


def panel_with(lengths: list[int]) -> Panel:
    return panel_of(*[np.arange(length, dtype=np.float64) for length in lengths])


def cutoffs_of(folds: tuple[Fold, ...], series: int) -> list[int]:
    """The cutoffs of one series, fold by fold, where it takes part."""
    return [int(cutoff) for fold in folds for s, cutoff in zip(fold.series, fold.cutoffs, strict=True) if s == series]


def test_folds_are_as_drawn() -> None:
    folds = rolling_origin(panel_with([20]), horizon=4, num_folds=3)
    assert [(fold.number, fold.cutoffs.tolist()) for fold in folds] == [(0, [8]), (1, [12]), (2, [16])]
    assert [fold.target_ends.tolist() for fold in folds] == [[12], [16], [20]]


def test_folds_are_counted_back_from_the_end_of_each_series() -> None:
    folds = rolling_origin(panel_with([20, 9, 14]), 4, 2, 3, reserved_after=1, min_context=1)
    assert [fold.series.tolist() for fold in folds] == [[0, 1, 2], [0, 1, 2]]
    assert [fold.cutoffs.tolist() for fold in folds] == [[12, 1, 6], [15, 4, 9]]


def test_folds_of_which_targets_overlap_lie_in_one_stretch_of_time() -> None:
    panel = panel_with([60])
    apart = [fold.stretch for fold in rolling_origin(panel, horizon=4, num_folds=5, step=4)]
    further = [fold.stretch for fold in rolling_origin(panel, horizon=4, num_folds=5, step=7)]
    assert apart == further == [0, 1, 2, 3, 4]
    assert [fold.stretch for fold in rolling_origin(panel, horizon=4, num_folds=9, step=1)] == [0] * 4 + [1] * 4 + [2]
    assert [fold.stretch for fold in rolling_origin(panel, horizon=4, num_folds=5, step=3)] == [0, 0, 1, 2, 3]


def test_series_too_short_for_a_fold_is_left_out_of_it_alone() -> None:
    folds = rolling_origin(panel_with([7, 12]), horizon=3, num_folds=3, min_context=2)
    assert [fold.series.tolist() for fold in folds] == [[1], [1], [0, 1]]


def test_fold_leaves_a_whole_training_window_before_its_cutoff() -> None:
    (fold,) = rolling_origin(panel_with([9, 8]), horizon=4, num_folds=1)
    assert (fold.series.tolist(), fold.cutoffs.tolist()) == ([0], [5])


def test_fold_without_any_series_is_refused_with_the_length_it_needs() -> None:
    with pytest.raises(SeriesError, match=r"longest series has 14 steps, but 15 are needed for 3 folds"):
        rolling_origin(panel_with([14, 3]), horizon=4, num_folds=3, min_context=3)
    assert rolling_origin(panel_with([15, 3]), horizon=4, num_folds=3, min_context=3)[0].cutoffs.tolist() == [3]


def test_no_folds_wanted_gives_none() -> None:
    assert rolling_origin(panel_with([2]), horizon=4, num_folds=0) == ()


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"step": 0}, {"num_folds": -1}, {"reserved_after": -1}])
def test_counts_below_their_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} {next(iter(wrong.values()))}"):
        rolling_origin(panel_with([50]), **{"horizon": 4, "num_folds": 2, **wrong})


@given(length_lists, horizons, fold_counts, steps, st.integers(0, 10), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_folds_stay_within_their_series(
    lengths: list[int], horizon: int, num_folds: int, step: int | None, reserved_after: int, min_context: int
) -> None:
    assume(max(lengths) >= min_context + reserved_after + horizon + (num_folds - 1) * (step or horizon))
    folds = rolling_origin(
        panel_with(lengths), horizon, num_folds, step, reserved_after=reserved_after, min_context=min_context
    )
    assert [fold.number for fold in folds] == list(range(num_folds))
    for fold in folds:
        assert (fold.cutoffs >= min_context).all()
        assert (fold.target_ends <= np.array(lengths)[fold.series] - reserved_after).all()
    for series in range(len(lengths)):
        cutoffs = cutoffs_of(folds, series)
        assert set(np.diff(cutoffs)) <= {step or horizon}
        assert not cutoffs or cutoffs[-1] == lengths[series] - reserved_after - horizon


@given(length_lists, horizons, fold_counts, steps)
@settings(max_examples=100, deadline=None)
def test_targets_of_folds_are_disjoint_from_a_step_of_the_horizon_on(
    lengths: list[int], horizon: int, num_folds: int, step: int | None
) -> None:
    assume(step is None or step >= horizon)
    assume(max(lengths) > horizon + (num_folds - 1) * (step or horizon))
    folds = rolling_origin(panel_with(lengths), horizon, num_folds, step, min_context=1)
    for series in range(len(lengths)):
        targets = [s for cutoff in cutoffs_of(folds, series) for s in range(cutoff, cutoff + horizon)]
        assert len(targets) == len(set(targets))


def test_split_is_as_drawn() -> None:
    split = split_panel(panel_with([100]), 10, SplitConfig(num_validation_folds=2, num_test_folds=3))
    assert split.training_ends.tolist() == [50]
    assert split.seen_ends.tolist() == [70]
    assert [fold.cutoffs.tolist() for fold in split.validation] == [[50], [60]]
    assert [fold.cutoffs.tolist() for fold in split.test] == [[70], [80], [90]]


def test_short_series_gives_up_only_what_it_can_spare() -> None:
    config = SplitConfig(num_validation_folds=1, num_test_folds=2)
    split = split_panel(panel_with([21, 20, 16, 15, 11, 10, 1]), 5, config)
    assert split.training_ends.tolist() == [6, 10, 6, 10, 6, 10, 1]
    assert split.seen_ends.tolist() == [11, 10, 6, 10, 6, 10, 1]
    assert [fold.series.tolist() for fold in split.validation] == [[0]]
    assert [fold.series.tolist() for fold in split.test] == [[0, 1, 2], [0, 1, 2, 3, 4]]


def test_split_without_test_folds_validates_on_the_end() -> None:
    split = split_panel(panel_with([30]), 5, SplitConfig(num_validation_folds=1, num_test_folds=0, step=3))
    assert split.test == ()
    assert split.training_ends.tolist() == [25]
    assert split.seen_ends.tolist() == [30]


def test_panel_too_short_to_split_is_refused_with_the_length_it_needs() -> None:
    config = SplitConfig(num_validation_folds=2, num_test_folds=3)
    with pytest.raises(SeriesError, match=r"longest series has 60 steps, but 61 are needed for 2 folds.*30 after them"):
        split_panel(panel_with([60, 12]), 10, config)
    assert split_panel(panel_with([61, 12]), 10, config).training_ends.tolist() == [11, 12]


def some_split(lengths: list[int], horizon: int, validation: int, test: int, step: int | None) -> tuple[Panel, Split]:
    needed = 1 + horizon + sum(horizon + (n - 1) * (step or horizon) for n in (validation, test) if n)
    panel = panel_with([*lengths, needed])
    config = SplitConfig(num_validation_folds=validation, num_test_folds=test, step=step)
    return panel, split_panel(panel, horizon, config)


@given(length_lists, horizons, fold_counts, st.integers(0, 4), steps)
@settings(max_examples=100, deadline=None)
def test_no_target_step_is_shared_by_training_validation_and_test(
    lengths: list[int], horizon: int, validation: int, test: int, step: int | None
) -> None:
    panel, split = some_split(lengths, horizon, validation, test, step)
    for series, length in enumerate(panel.lengths):
        training_end = split.training_ends[series]
        validated, tested = cutoffs_of(split.validation, series), cutoffs_of(split.test, series)
        borders = [1, training_end, *validated, *(cutoff + horizon for cutoff in validated[-1:])]
        assert borders == sorted(borders)
        assert split.seen_ends[series] == borders[-1]
        assert borders[-1] <= min([*tested, length])
        assert training_end == length or min(*validated, *tested, length) == training_end


@given(length_lists, horizons, fold_counts, st.integers(0, 4), steps)
@settings(max_examples=50, deadline=None)
def test_training_windows_of_a_split_end_before_its_first_fold(
    lengths: list[int], horizon: int, validation: int, test: int, step: int | None
) -> None:
    panel, split = some_split(lengths, horizon, validation, test, step)
    index = training_windows(panel, horizon, split.training_ends)
    addresses = index.locate(np.arange(index.num_windows))
    target_ends = np.minimum(addresses.cutoffs + horizon, panel.lengths[addresses.series])
    assert (target_ends <= split.training_ends[addresses.series]).all()
    assert set(addresses.series) == set(np.flatnonzero(panel.lengths >= 2))


@given(length_lists, horizons, fold_counts, st.integers(1, 4), steps)
@settings(max_examples=100, deadline=None)
def test_folds_up_to_the_number_of_test_folds_have_not_been_seen(
    lengths: list[int], horizon: int, validation: int, test: int, step: int | None
) -> None:
    panel, split = some_split(lengths, horizon, validation, test, step)
    for num_folds in range(1, test + 1):
        for fold in rolling_origin(panel, horizon, num_folds, step):
            assert (split.seen_ends[fold.series] <= fold.cutoffs).all()


@pytest.mark.parametrize("gap", [-1, 4, 5])
def test_a_gap_leaves_a_step_of_the_horizon(gap: int) -> None:
    with pytest.raises(ConfigError, match=rf"a gap of {gap} steps is outside 0 \.\. 3"):
        rolling_origin(panel_with([20]), 4, 1, gap=gap)


def test_a_fold_shows_its_series_up_to_their_cutoffs() -> None:
    panel = panel_with([20, 6, 15])
    (fold,) = rolling_origin(panel, 4, 1)
    visible = fold.visible(panel)
    assert (visible.series_ids, visible.lengths.tolist()) == (("s0", "s2"), [16, 11])
    np.testing.assert_array_equal(visible.target(1), panel.target(2)[:11])
