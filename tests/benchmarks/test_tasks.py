"""Tasks: folds are forecast as one, and MASE follows the season of the task."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.tasks import fit_in_passing, judged, long_panel, whole
from forecaster.metrics import seasonal_scale
from tests.benchmarks.factories import CONFIG, small_task


def test_several_folds_become_one_with_all_their_windows() -> None:
    task = small_task()
    result = fit_in_passing(task.panel, CONFIG)
    both = whole(result.split.test)
    assert both.series.tolist() == [0, 1, 2, 0, 1, 2]
    assert both.cutoffs.tolist() == [68, 68, 68, 74, 74, 74]
    found = judged(result.predictor, task, result.split.test)
    error = np.abs(found.actual - found.quantiles[..., found.levels.index(0.5)]).mean(axis=1)
    scales = [
        seasonal_scale(task.panel.target(s)[:cutoff], 4) for s, cutoff in zip(both.series, both.cutoffs, strict=True)
    ]
    assert found.scores.mase == pytest.approx(float(np.mean(error / scales)))


def test_columns_that_are_not_asked_for_are_left_out_of_the_panel() -> None:
    table = pd.DataFrame({"unique_id": pd.Categorical(["a", "a"], ["a", "b"]), "ds": [0, 1], "y": [1.0, 2.0]})
    panel = long_panel(table.assign(split="train", load=3.0), ("load",))
    assert panel.series_ids == ("a",)
    assert panel.covariates.known_names == ("load",)
