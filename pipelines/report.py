"""Figures and tables that analysts see in a run."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation

_HISTORY_HORIZONS = 4
_ACTUAL, _FORECAST = "#1f2933", "#c2410c"


def draw_forecasts(panel: Panel, evaluation: Evaluation, path: Path) -> Path:
    """Draws typical and worst windows (by MASE): history, actual, median and central intervals. Gives `path`."""
    chosen = _typical_and_worst(evaluation.scores.mase_by_window)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 2.6 * ((len(chosen) + 1) // 2)), layout="constrained")
        axes = figure.subplots((len(chosen) + 1) // 2, 2, squeeze=False).flatten()
        for axis, (label, window) in zip(axes, chosen, strict=False):
            _draw_window(axis, panel, evaluation, window, label)
        for axis in axes[len(chosen) :]:
            axis.set_visible(False)
        axes[0].legend(loc="upper left", frameon=False, fontsize=8)
        figure.savefig(path, dpi=110)
    return path


def series_table(panel: Panel, evaluation: Evaluation) -> pd.DataFrame:
    """Gives MASE and mean error per series over its folds, worst first."""
    error = pd.DataFrame(np.abs(evaluation.actual - _point(evaluation))).mean(axis=1)  # over observed steps
    frame = pd.DataFrame(
        {
            "series": [panel.series_ids[int(position)] for position in evaluation.series],
            "mase": evaluation.scores.mase_by_window,
            "mean_absolute_error": error,
        }
    )
    table = frame.groupby("series", as_index=False).mean()
    return table.sort_values("mase", ascending=False, ignore_index=True)


def _typical_and_worst(mase: FloatArray) -> list[tuple[str, int]]:
    order = np.argsort(np.where(np.isnan(mase), -np.inf, mase), kind="stable")
    order = order[np.isnan(mase[order]).sum() :] if not np.isnan(mase).all() else order
    picks: dict[int, str] = {}
    middle = len(order) // 2
    for window in order[max(0, middle - 1) : middle + 1]:
        picks.setdefault(int(window), "typical")
    for window in order[::-1][:2]:
        picks.setdefault(int(window), "worst")
    return [(label, window) for window, label in picks.items()]


def _draw_window(axis: Axes, panel: Panel, evaluation: Evaluation, window: int, label: str) -> None:
    position, cutoff = int(evaluation.series[window]), int(evaluation.cutoffs[window])
    horizon = evaluation.actual.shape[1]
    begin = max(0, cutoff - _HISTORY_HORIZONS * horizon)
    times = panel.axis.show(panel.starts[position], cutoff + horizon)
    shown = np.concatenate([panel.target(position)[begin:cutoff], evaluation.actual[window]])
    axis.plot(times[begin : cutoff + horizon], shown, color=_ACTUAL, lw=1, label="actual")
    ahead = times[cutoff : cutoff + horizon]
    for low, high, shade in _bands(evaluation, window):
        axis.fill_between(ahead, low, high, color=_FORECAST, alpha=shade, lw=0)
    axis.plot(ahead, _point(evaluation)[window], color=_FORECAST, lw=1.4, label="median and intervals")
    mase = evaluation.scores.mase_by_window[window]
    title = f"{label}: {panel.series_ids[position]} from {str(ahead[0])[:10]}   MASE {mase:.2f}"
    axis.set_title(title, fontsize=9, loc="left")
    axis.tick_params(axis="x", labelrotation=20, labelsize=7)


def _bands(evaluation: Evaluation, window: int) -> list[tuple[FloatArray, FloatArray, float]]:
    """Gives lower and upper edge of each central interval, the widest first."""
    quantiles = evaluation.quantiles[window]
    levels = np.asarray(evaluation.levels)
    pairs = [(low, np.flatnonzero(np.isclose(levels, 1 - level))) for low, level in enumerate(levels) if level < 0.5]
    return [(quantiles[:, low], quantiles[:, high[0]], 0.12) for low, high in pairs if len(high)]


def _point(evaluation: Evaluation) -> FloatArray:
    return np.asarray(evaluation.quantiles[:, :, evaluation.levels.index(0.5)])
