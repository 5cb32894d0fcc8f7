"""Anomalies: flags and scores by hand, of any scale, and stable while a series grows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.anomalies import MAX_SCORE, Anomalies, asked_levels, judged
from forecaster.data.origins import Consecutive
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses
from forecaster.errors import RequestError
from forecaster.predictor import Predictor
from forecaster.rolling import Rolled
from forecaster.time.frequency import Frequency
from tests.factories import START, panel_of, sine_panel
from tests.test_predictor import network

NAN = float("nan")
LEVELS = (0.1, 0.5, 0.9)


def judged_by_hand(*targets: list[float], quantiles: tuple[float, float, float] = (8.0, 10.0, 14.0)) -> Anomalies:
    """Series of three steps, the last two of which are forecast with these quantiles at 0.1, 0.5 and 0.9."""
    panel = panel_of(*targets)
    values = np.broadcast_to(np.array(quantiles), (len(targets), 2, 3))
    return judged(
        Rolled(panel, WindowAddresses(np.arange(len(targets)), np.ones(len(targets), int)), LEVELS, values), 80
    )


def test_a_score_counts_half_widths_on_the_side_of_the_value() -> None:
    found = judged_by_hand([1.0, 14.0, 20.0], [1.0, 9.0, 6.0], [1.0, 10.0, NAN], [1.0, 10.5])
    np.testing.assert_allclose(found.scores, [1.0, 2.5, 0.5, 2.0, 0.0, NAN, 0.125])
    assert found.are_anomalies.tolist() == [False, True, False, True, False, False, False]
    assert found.series.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert found.rows.tolist() == [1, 2, 4, 5, 7, 8, 10]
    assert found.times[:2].tolist() == [START + np.timedelta64(hour, "h") for hour in (1, 2)]
    assert [found.places(position) for position in (0, 3)] == [slice(0, 2), slice(6, 7)]


def test_an_interval_without_width_holds_its_median_alone() -> None:
    found = judged_by_hand([1.0, 5.0, 5.1], [1.0, NAN, 4.9], quantiles=(5.0, 5.0, 5.0))
    np.testing.assert_allclose(found.scores, [0.0, MAX_SCORE, NAN, MAX_SCORE])
    assert found.are_anomalies.tolist() == [False, True, False, True]


def test_the_accumulated_score_of_one_series_is_its_score() -> None:
    found = judged_by_hand([1.0, 14.0, 20.0])
    np.testing.assert_allclose(found.accumulated, found.scores, rtol=1e-9)


def test_scores_of_one_time_are_taken_together() -> None:
    found = judged_by_hand([1.0, 14.0, 12.0], [1.0, 14.0, NAN])
    # Two scores of 1: the chi-square of 2 degrees reaches -2 ln(.2) = 3.21888 at .8.
    together = 1.2815516 * np.sqrt(2 / 3.2188758)
    np.testing.assert_allclose(found.accumulated, [together, 0.5, together, 0.5], rtol=1e-6)
    nobody = judged_by_hand([1.0, 14.0, NAN], [1.0, 14.0, NAN, 10.0])
    assert np.isnan(nobody.accumulated[1])


def test_independent_normals_exceed_one_as_rarely_as_the_level_says() -> None:
    generator = np.random.default_rng(0)
    targets = generator.standard_normal((5, 20_001))
    panel = panel_of(*targets)
    values = np.broadcast_to(np.array([-1.2815516, 0.0, 1.2815516]), (5, 20_000, 3))
    found = judged(Rolled(panel, WindowAddresses(np.arange(5), np.ones(5, int)), LEVELS, values), 80)
    assert (found.scores > 1).mean() == pytest.approx(0.2, abs=0.005)
    assert (found.accumulated > 1).mean() == pytest.approx(0.2, abs=0.01)


def predictor(head: str = "quantile") -> Predictor:
    return Predictor(network(head=head), Frequency.parse("h"))


def found_in(panel: Panel, model: Predictor, last: int | None = None, step: int = 3, level: float = 99) -> Anomalies:
    levels = asked_levels(level, model.levels, model.network.level_range)
    question = model.rolling_question(panel, Consecutive(last), step, levels, min_context=10)
    return judged(model.rolled(question), level)


@pytest.mark.parametrize("head", ["quantile", "student_t"])
def test_a_spike_is_found_and_scored_highest(head: str) -> None:
    panel = sine_panel(2, 60, noise=0.1)
    values = panel.values.copy()
    values[45] += 1e4
    found = found_in(replace(panel, values=values), predictor(head))
    assert found.are_anomalies[found.rows == 45].all()
    assert found.rows[found.series == 0][found.scores[found.series == 0].argmax()] == 45


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-2, 1e4), st.floats(-1e4, 1e4))
def test_scores_follow_neither_scale_nor_shift(scale: float, shift: float) -> None:
    target = sine_panel(1, 40, noise=0.5).target(0)
    plain, moved = (found_in(panel_of(one), predictor()) for one in (target, scale * target + shift))
    np.testing.assert_allclose(moved.scores, plain.scores, rtol=1e-3, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.integers(12, 39), st.integers(1, 8))
def test_judgements_stand_while_a_series_grows(length: int, step: int) -> None:
    target, model = sine_panel(1, 40, noise=0.5).target(0), predictor()
    early, late = (found_in(panel_of(target[:end]), model, step=step) for end in (length, 40))
    np.testing.assert_allclose(early.scores, late.scores[: len(early.scores)], rtol=1e-5, atol=1e-6)


def test_with_a_forecast_for_each_step_the_last_steps_are_judged_as_among_all() -> None:
    panel, model = sine_panel(2, 40, noise=0.5), predictor()
    every, last = found_in(panel, model, step=1), found_in(panel, model, last=5, step=1)
    assert np.bincount(last.series).tolist() == [5, 5]
    kept = np.isin(every.rows, last.rows)
    np.testing.assert_allclose(every.scores[kept], last.scores, rtol=1e-5)


def test_levels_are_those_of_the_interval_where_the_model_reaches_so_far() -> None:
    own = (0.1, 0.5, 0.9)
    assert asked_levels(80, own, (0.1, 0.9)) == (0.1, 0.5, 0.9)
    assert asked_levels(99, own, (0.0, 1.0)) == (0.005, 0.5, 0.995)
    assert asked_levels(99, own, (0.1, 0.9)) == own
    with pytest.raises(RequestError, match="needs more than the level"):
        asked_levels(99, (0.5,), (0.5, 0.5))
