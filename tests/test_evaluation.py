"""Evaluation: models are compared on the windows that all of them can forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.origins import Consecutive, CountedBack
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, rolling_origin
from forecaster.evaluation import evaluate, evaluate_refitted, on_common_windows, score_rolled, seasonal_naive_beside
from forecaster.rolling import Rolled
from tests.factories import panel_of

PANEL = panel_of([1.0, 2.0, 1.0, 2.0, 9.0, 9.0], [1.0, 2.0, 1.0, 2.0, 3.0, 3.0])
LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Constant:
    """Says the same everywhere, and nothing of some series."""

    value: float
    blind: tuple[int, ...] = ()

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        said = np.full((len(series), horizon, len(levels)), self.value)
        said[np.isin(series, self.blind)] = np.nan
        return said


def test_a_model_gains_nothing_by_what_it_does_not_forecast() -> None:
    folds = rolling_origin(PANEL, 2, 1)
    models = {"whole": Constant(3.0), "blind": Constant(3.5, blind=(0,))}
    found = {role: evaluate(model, PANEL, folds, LEVELS) for role, model in models.items()}
    assert found["blind"].scores.mase < found["whole"].scores.mase
    common = on_common_windows(found, PANEL)
    assert common["whole"].scores.mase == pytest.approx(0.0)
    assert common["blind"].scores.mase == pytest.approx(0.5)
    assert np.isnan(common["whole"].actual[0]).all()


def test_what_all_can_forecast_stays_as_it_is() -> None:
    folds = rolling_origin(PANEL, 2, 1)
    found = {role: evaluate(Constant(value), PANEL, folds, LEVELS) for role, value in (("a", 1.0), ("b", 2.0))}
    assert on_common_windows(found, PANEL) == found


def test_rolled_forecasts_are_scored_as_folds_are() -> None:
    folds = rolling_origin(PANEL, 2, 2, 1, min_context=3)
    found = evaluate(Constant(3.0), PANEL, folds, LEVELS)
    where = CountedBack(2, 1).addresses(PANEL, 2, 3)
    rolled = Rolled(PANEL, where, LEVELS, np.full((4, 2, 3), 3.0))
    scores = score_rolled(rolled)
    assert scores.overall.as_metrics() == pytest.approx(found.scores.as_metrics())
    # In s1, 3 is said of 2 3 and of 3 3, after steps of 1: errors 1 and 0, then none.
    assert scores.by_series[1].mase == pytest.approx(0.25)
    assert scores.by_series[1].coverage[0.8] == pytest.approx(0.75)
    assert sorted(scores.by_series) == [0, 1]


def test_the_naive_beside_repeats_what_its_cutoff_saw() -> None:
    panel = panel_of([1.0, 2.0, 4.0, 4.0, 7.0], frequency="YS")
    rolled = Rolled(panel, Consecutive().addresses(panel, 2, 2), LEVELS, np.zeros((2, 2, 3)))
    naive = seasonal_naive_beside(rolled)
    np.testing.assert_array_equal(naive.values[:, :, 1], [[2.0, 2.0], [4.0, 4.0]])
    # Errors 2 2 of steps of 1, then 3 of steps of 1, 2 and 0.
    assert score_rolled(naive).overall.mase == pytest.approx((2 + 3) / 2)


class LastSeen:
    """Fits nothing but the mean of what a fold may see, and keeps how much that was."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def fitted(self, visible: Panel, fold: Fold) -> Constant:
        self.seen.append(visible.lengths.tolist())
        return Constant(float(np.nanmean(visible.values)))


def test_what_is_fitted_for_a_fold_sees_nothing_after_its_cutoffs() -> None:
    panel = panel_of(np.arange(12.0), np.arange(9.0))
    folds = rolling_origin(panel, 2, 2, min_context=6)
    fitter = LastSeen()
    found = evaluate_refitted(fitter, panel, folds, LEVELS)
    assert fitter.seen == [[8], [10, 7]] == [fold.cutoffs.tolist() for fold in folds]
    means = [np.arange(8.0).mean(), *[np.concatenate([np.arange(10.0), np.arange(7.0)]).mean()] * 2]
    np.testing.assert_allclose(found.quantiles[:, 0, 1], means)
    np.testing.assert_array_equal(found.actual, [[8, 9], [10, 11], [7, 8]])
    assert found.scores.bias < 0


def test_what_stands_in_the_gap_changes_neither_scores_nor_fits() -> None:
    target = np.sin(np.arange(40.0))
    changed = target.copy()
    changed[30:32] = 1e6  # the newest fold sees 30 steps, and is scored from step 32 on
    found = []
    for values in (target, changed):
        panel = panel_of(values)
        folds = rolling_origin(panel, 10, 1, gap=2)
        fitter = LastSeen()
        found.append(evaluate_refitted(fitter, panel, folds, LEVELS).scores)
        assert fitter.seen == [[30]]
    assert found[0].as_metrics() == found[1].as_metrics()
    assert np.isnan(found[0].mase_by_step[:2]).all()
    assert not np.isnan(found[0].mase_by_step[2:]).any()


def test_with_a_gap_the_steps_that_are_scored_are_scored_as_without() -> None:
    panel = panel_of(np.sin(np.arange(40.0)))
    whole, late = (evaluate(Constant(0.3), panel, rolling_origin(panel, 6, 3, 2, gap=gap), LEVELS) for gap in (0, 4))
    np.testing.assert_array_equal(whole.scores.mase_by_step[4:], late.scores.mase_by_step[4:])
    assert late.scores.mase != pytest.approx(whole.scores.mase)
