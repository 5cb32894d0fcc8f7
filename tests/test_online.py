"""Online adaption: factors that follow what came true, by hand, by properties and in the long run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecaster.errors import RequestError
from forecaster.online import MEMORY, adapted, distances, factor_of, log_factors, lost_core
from forecaster.support import Support, kept_within

NAN = float("nan")
LEVELS = (0.1, 0.5, 0.9)
FLOATS = st.floats(-1e6, 1e6, width=32)


def test_a_distance_is_counted_in_half_widths_of_its_own_side() -> None:
    quantiles = np.array([[6.0, 10.0, 12.0]] * 5)
    found = distances(np.array([8.0, 13.0, 10.0, 2.0, NAN]), quantiles, LEVELS)
    np.testing.assert_array_equal(found, [0.5, 1.5, 0.0, 2.0, NAN])


def test_without_a_width_all_but_the_median_lies_outside() -> None:
    found = distances(np.array([1.0, 3.0, 0.0, NAN]), np.array([[1.0, 1.0, 1.0]] * 4), LEVELS)
    np.testing.assert_array_equal(found, [0.0, np.inf, np.inf, NAN])
    one_sided = distances(np.array([0.0, 1.0]), np.array([[0.0, 0.0, 2.0]] * 2), LEVELS)
    np.testing.assert_array_equal(one_sided, [0.0, 0.5])
    assert factor_of(np.arange(2), np.array([np.inf, np.inf]))[0] == pytest.approx(np.exp(0.08))


def test_what_lacks_a_level_says_nothing() -> None:
    assert np.isnan(distances(np.array([3.0]), np.array([[1.0, 2.0, 3.0]]), (0.1, 0.4, 0.9))).all()


def test_a_miss_moves_the_logarithm_up_by_four_times_what_a_hit_moves_it_down() -> None:
    assert log_factors(np.array([[2.0]])) == pytest.approx(0.04, abs=1e-12)
    assert log_factors(np.array([[0.5]])) == pytest.approx(-0.01, abs=1e-12)
    assert log_factors(np.array([[2.0, 0.5, NAN]])) == pytest.approx(0.05 * (0.5 - 0.2), abs=1e-12)
    assert log_factors(np.array([[2.0], [NAN], [1.03]])) == pytest.approx(0.03, abs=1e-12)  # 1.03 < exp(0.04)
    assert log_factors(np.empty((0, 3))) == 0.0


def test_a_value_counts_no_more_the_farther_off_it_is() -> None:
    assert log_factors(np.array([[1e9], [0.5]])) == log_factors(np.array([[2.0], [0.5]]))


def test_factors_stay_within_bounds() -> None:
    far = np.full((10_000, 1), 1e12)
    assert np.exp(log_factors(far)) == pytest.approx(np.exp(3.0))
    assert np.exp(log_factors(0 * far)) == pytest.approx(np.exp(-3.0), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_order_and_repetition_change_nothing(data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 40))
    times = np.array(data.draw(st.lists(st.integers(0, 15), min_size=number, max_size=number)), dtype=np.int64)
    found = np.array(data.draw(st.lists(st.floats(0, 5), min_size=number, max_size=number)))
    order = np.array(data.draw(st.permutations(range(number))))
    twice = np.concatenate([order, order])
    factor = factor_of(times, found)
    assert factor_of(times[order], found[order]) == factor
    assert factor_of(times[twice], found[twice]) == pytest.approx(factor, rel=1e-12)


def test_only_the_last_times_count_and_those_not_observed_do_not() -> None:
    times = np.arange(MEMORY + 50, dtype=np.int64)
    found = np.random.default_rng(0).uniform(0, 2, len(times))
    wanted = factor_of(times[50:], found[50:])
    assert factor_of(times, found) == wanted
    assert wanted[1] == MEMORY
    missing = factor_of(np.append(times, 10_000), np.append(found, NAN))
    assert missing == wanted
    assert factor_of(times[:0], found[:0]) == (1.0, 0)


def test_a_corrected_value_leaves_no_trace_of_the_wrong_one() -> None:
    times, found = np.arange(30, dtype=np.int64), np.full(30, 0.5)
    wrong = np.where(times == 12, 50.0, found)
    assert factor_of(times, wrong) != factor_of(times, found)
    assert factor_of(times, np.where(times == 12, 0.5, wrong)) == factor_of(times, found)


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(np.float64, (2, 3, 5), elements=FLOATS),
    arrays.arrays(np.float64, 2, elements=st.floats(0.05, 20)),
)
def test_levels_never_cross_and_the_median_stays(values: np.ndarray, factors: np.ndarray) -> None:
    levels, ordered = (0.05, 0.1, 0.5, 0.8, 0.9), np.sort(values, axis=-1)
    found = adapted(ordered, levels, factors)
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_array_equal(found[..., 2], ordered[..., 2])


def test_a_factor_stretches_every_level_about_the_median() -> None:
    found = adapted(np.array([[[8.0, 10.0, 11.0]], [[8.0, 10.0, 11.0]]]), LEVELS, np.array([2.0, 1.0]))
    np.testing.assert_array_equal(found, [[[6.0, 10.0, 12.0]], [[8.0, 10.0, 11.0]]])


def test_adaption_follows_scale_and_shift() -> None:
    values, actual = np.sort(np.random.default_rng(1).normal(size=(9, 3)), axis=-1), np.arange(9.0) / 4
    before = distances(actual, values, LEVELS)
    after = distances(1000 * actual + 7, 1000 * values + 7, LEVELS)
    np.testing.assert_allclose(after, before, rtol=1e-9)


def test_what_was_adapted_before_is_known_by_its_factor() -> None:
    """The ledger keeps what was published: its distance times the factor is that from the model's own forecast."""
    values, actual = np.sort(np.random.default_rng(2).normal(size=(1, 9, 3)), axis=-1), np.arange(9.0)
    published = adapted(values, LEVELS, np.array([3.7]))
    back = 3.7 * distances(actual, published[0], LEVELS)
    np.testing.assert_allclose(back, distances(actual, values[0], LEVELS), rtol=1e-12)


def test_what_rounding_to_counts_hides_is_what_the_model_said() -> None:
    own, factors = np.array([[[1.0, 2.0, 3.0]], [[0.0, 2.0, 6.0]], [[1.0, 2.0, 3.0]]]), np.array([0.3, 0.5, 1.0])
    published = adapted(own, LEVELS, factors, "counts")
    assert published[0, 0].tolist() == [2.0, 2.0, 2.0]
    hidden, told, plain = lost_core(own, published, LEVELS, factors)
    assert hidden is not None
    assert hidden.tolist() == [[1.0, 2.0, 3.0]]
    assert told is plain is None
    assert lost_core(own[..., :2], published[..., :2], (0.1, 0.5), factors) == [None] * 3


def test_without_a_median_there_is_nothing_to_adapt_about() -> None:
    with pytest.raises(RequestError, match=r"needs the level 0\.5"):
        adapted(np.zeros((1, 1, 2)), (0.1, 0.9), np.ones(1))


@pytest.mark.parametrize("spread", [0.25, 1.0, 3.0])
def test_in_the_long_run_four_in_five_lie_within(spread: float) -> None:
    """Of forecasts whose spread is wrong, one after the other, each adapted by all before it."""
    actual = np.random.default_rng(3).normal(0, spread, 3000)
    found = np.abs(actual) / 1.2815515655
    windows = np.lib.stride_tricks.sliding_window_view(found, MEMORY)[:-1, :, np.newaxis]
    factors = np.exp(log_factors(windows))
    within = found[MEMORY:] <= factors
    assert within.mean() == pytest.approx(0.8, abs=0.02)
    raw = (found[MEMORY:] <= 1).mean()
    assert abs(raw - 0.8) > 0.1 or spread == 1.0


@pytest.mark.parametrize(
    ("support", "expected"), [("any", [-0.5, 1.0, 4.0]), ("positive", [0.0, 1.0, 4.0]), ("counts", [0.0, 1.0, 4.0])]
)
def test_adapted_quantiles_stay_in_the_support_of_the_model(support: Support, expected: list[float]) -> None:
    assert adapted(np.array([[[0.5, 1.0, 2.0]]]), LEVELS, np.array([3.0]), support)[0, 0].tolist() == expected


def test_no_count_is_written_with_a_minus() -> None:
    found = adapted(np.array([[[0.0, 0.1, 0.2]]]), LEVELS, np.array([3.0]), "counts")
    assert not np.signbit([found, kept_within(np.array([[[-0.0, -0.2, -3.0]]]), found, "counts")]).any()


def test_what_a_model_of_logarithms_says_below_0_stays_there() -> None:
    assert adapted(np.array([[[-2.0, -1.0, 2.0]]]), LEVELS, np.array([2.0]), "positive")[0, 0].tolist() == [-3, -1, 5]
