"""The data sets of the zero-shot benchmark: dated as they are, thinned evenly, scored as what is published is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.published import PUBLISHED, Published, Score, beside_published
from benchmarks.zero_shot_tasks import Task, _dated, as_point, mase, weighted_quantile_loss
from forecaster.baselines import SeasonalNaive
from forecaster.data.reading import read_panel
from forecaster.data.splits import rolling_origin


def task(num_series: int = 5, num_folds: int = 2) -> Task:
    steps = pd.DataFrame({"ds": np.arange(48)})
    values = np.random.default_rng(0).normal(size=(num_series, 48))
    table = pd.concat(
        [steps.assign(unique_id=str(number), y=row) for number, row in enumerate(values)], ignore_index=True
    )
    panel = read_panel(_dated(table, "MS")).panel
    return Task("made_up", panel, rolling_origin(panel, 6, num_folds))


def test_counted_steps_become_dates_of_the_frequency() -> None:
    assert task().panel.axis.frequency.alias == "MS"
    assert task().season_length == 12


def test_few_windows_are_spread_over_folds_and_series() -> None:
    thinned = task().thinned(6)
    assert [fold.series.tolist() for fold in thinned.folds] == [[0, 2, 4], [0, 2, 4]]
    assert [fold.cutoffs.tolist() for fold in thinned.folds] == [[36] * 3, [42] * 3]
    assert [len(fold.series) for fold in task().thinned(1_000).folds] == [5, 5]


def test_the_score_is_the_mean_error_over_that_of_the_naive_in_the_history() -> None:
    found = task(num_series=1, num_folds=1)
    evaluation = found.evaluated(SeasonalNaive(12))
    history, future = np.split(found.panel.target(0), [42])
    scale = np.abs(history[12:] - history[:-12]).mean()
    assert mase(found, evaluation) == pytest.approx(np.abs(future - history[-12:-6]).mean() / scale)


def test_the_quantile_loss_of_a_point_forecast_is_its_share_of_error() -> None:
    evaluation = as_point(task().evaluated(SeasonalNaive(12)))
    assert (evaluation.quantiles == evaluation.quantiles[..., [0]]).all()
    error = np.abs(evaluation.actual - evaluation.quantiles[..., 0])
    share = error.sum() / np.abs(evaluation.actual).sum()
    assert weighted_quantile_loss(evaluation) == pytest.approx(share)


def test_what_is_published_stands_beside_where_the_naive_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found, season_length = task(), 3
    naive = found.evaluated(SeasonalNaive(season_length))
    own = Score(mase(found, naive, season_length), weighted_quantile_loss(naive))
    point = Score(own.mase, weighted_quantile_loss(as_point(naive)))
    twice, half = Score(2 * own.mase, 2 * own.wql), Score(own.mase / 2, own.wql / 2)
    assert beside_published(found, naive) == {}
    monkeypatch.setitem(PUBLISHED, "made_up", Published(season_length, point, twice, half))
    assert beside_published(found, naive) == pytest.approx(
        {
            "mase_over_bolt_tiny": 0.5,
            "wql_over_bolt_tiny": 0.5,
            "mase_over_bolt_base": 2,
            "wql_over_bolt_base": 2,
            "naive_off_published": 0,
        }
    )
    other = Score(point.mase, point.wql * 1.25)
    monkeypatch.setitem(PUBLISHED, "made_up", Published(season_length, other, twice, half))
    assert beside_published(found, naive)["naive_off_published"] == pytest.approx(0.2)
