"""Tasks: a panel with the settings of one fit, judged on all windows of its last folds at once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config import ForecasterConfig, TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.splits import Fold
from forecaster.evaluation import Evaluation, evaluate, window_scales
from forecaster.metrics import score
from forecaster.predictor import Predictor
from forecaster.training.fit import FitResult, fit
from forecaster.training.start import Start

LONG_COLUMNS = ("unique_id", "ds", "y")


@dataclass(frozen=True)
class Task:
    """What is fitted and what it is judged on: the test folds of the config, the last ones of the panel."""

    name: str
    panel: Panel
    season_length: int  # of the MASE; that of the frequency does not serve where steps are only counted
    config: ForecasterConfig
    start: Start | None = None  # what training begins with; None: from scratch


def long_panel(table: pd.DataFrame, known: Sequence[str] = ()) -> Panel:
    """Gives the panel of a long table with these known columns; its other columns are left out."""
    columns = table[[*LONG_COLUMNS, *known]].astype({"unique_id": str})
    return read_panel(columns, TableConfig(known_columns=tuple(known))).panel


def fit_in_passing(panel: Panel, config: ForecasterConfig, start: Start | None = None) -> FitResult:
    """Fits, from scratch by default, and leaves no checkpoints behind."""
    with tempfile.TemporaryDirectory() as folder:
        return fit(panel, config, Path(folder), start=start)


def whole(folds: Sequence[Fold]) -> Fold:
    """Gives the windows of several folds of one horizon as one fold, so that they are forecast in full batches."""
    series = np.concatenate([fold.series for fold in folds])
    cutoffs = np.concatenate([fold.cutoffs for fold in folds])
    return Fold(0, series, cutoffs, folds[0].horizon)


def judged(predictor: Predictor, task: Task, folds: Sequence[Fold]) -> Evaluation:
    """Forecasts the folds and scores them, MASE by the season of the task."""
    found = evaluate(predictor, task.panel, [whole(folds)], predictor.levels)
    scales = window_scales(task.panel, found.series, found.cutoffs, task.season_length)
    return replace(found, scores=score(found.actual, found.quantiles, found.levels, scales))
