"""The ridge as a baseline: what it finds, what it does not see, and how wide its intervals are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecaster.baselines import SeasonalNaive
from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold, rolling_origin
from forecaster.errors import SeriesError
from forecaster.evaluation import Evaluation, evaluate, evaluate_refitted
from forecaster.training.fit import resolve
from forecaster.training.ridge_baseline import RidgeBaseline
from tests.factories import sine_panel
from tests.training.factories import priced_panel, with_model

LEVELS = (0.1, 0.5, 0.9)
PANEL = sine_panel(3, 480, noise=0.5, missing_share=0.02)


def shape_for(panel: Panel) -> ModelConfig:
    return resolve(panel, with_model(context_length=48)).model  # two seasons of a day


def ridge(panel: Panel, folds: tuple[Fold, ...]) -> Evaluation:
    return evaluate_refitted(RidgeBaseline(shape_for(panel)), panel, folds, LEVELS)


def test_it_averages_noise_away_and_knows_how_wrong_it_is() -> None:
    folds = rolling_origin(PANEL, 6, 5)
    naive = evaluate(SeasonalNaive(24), PANEL, folds, LEVELS)
    found = ridge(PANEL, folds)
    assert found.scores.mase < 0.9 * naive.scores.mase
    assert 0.65 < found.scores.coverage[0.8] < 0.95
    assert (np.diff(found.quantiles, axis=2) >= 0).all()


def test_it_reads_what_is_known_ahead() -> None:
    panel = priced_panel()
    folds = rolling_origin(panel, 6, 2)
    blind = replace(panel, covariates=sine_panel(1, 2).covariates)
    assert ridge(panel, folds).scores.mase < 0.3 * ridge(blind, folds).scores.mase


def test_nothing_after_its_cutoff_moves_a_fold() -> None:
    folds = rolling_origin(PANEL, 6, 2)
    values = PANEL.values.copy()
    for position, cutoff in zip(folds[0].series, folds[0].cutoffs, strict=True):
        values[PANEL.offsets[position] + cutoff : PANEL.offsets[position + 1]] = -1e6
    first = ridge(PANEL, folds[:1])
    np.testing.assert_array_equal(first.quantiles, ridge(replace(PANEL, values=values), folds[:1]).quantiles)


def test_series_too_short_to_tell_errors_from_are_refused() -> None:
    panel = sine_panel(1, 16)
    with pytest.raises(SeriesError, match="no whole window to tell its errors from in fold 0") as refused:
        ridge(panel, rolling_origin(panel, 6, 1))
    assert refused.value.code == "too-short"
