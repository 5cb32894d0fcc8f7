"""The figure of forecasts over actuals: typical and worst windows, of one forecaster or of two beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation
from pipelines.report.compared import Compared
from pipelines.report.drawing import INK, OWN, colours, drawn

_HISTORY_HORIZONS = 4


def draw_forecasts(compared: Compared, path: Path, beside: str | None = None) -> Path:
    """Draws typical and worst windows by the own MASE: history, actual, median and intervals. Gives `path`.

    `beside` names a role whose median is drawn with them.
    """
    chosen = typical_and_worst(compared.first.scores.mase_by_window)
    num_rows = (len(chosen) + 1) // 2
    with drawn(path, 11, 2.6 * num_rows) as figure:
        axes = figure.subplots(num_rows, 2, squeeze=False).flatten()
        for axis, (label, window) in zip(axes, chosen, strict=False):
            _draw_window(axis, compared, window, label, beside)
        for axis in axes[len(chosen) :]:
            axis.set_visible(False)
        axes[0].legend(loc="best")
    return path


def typical_and_worst(mase: FloatArray) -> list[tuple[str, int]]:
    """Gives up to two windows around the median and the two worst, each once."""
    order = np.argsort(np.where(np.isnan(mase), -np.inf, mase), kind="stable")
    order = order[np.isnan(mase[order]).sum() :] if not np.isnan(mase).all() else order
    picks: dict[int, str] = {}
    middle = len(order) // 2
    for window in order[max(0, middle - 1) : middle + 1]:
        picks.setdefault(int(window), "typical")
    for window in order[::-1][:2]:
        picks.setdefault(int(window), "worst")
    return [(label, window) for window, label in picks.items()]


def _draw_window(axis: Axes, compared: Compared, window: int, label: str, beside: str | None) -> None:
    panel, evaluation = compared.panel, compared.first
    position, cutoff = int(evaluation.series[window]), int(evaluation.cutoffs[window])
    horizon = evaluation.actual.shape[1]
    begin = max(0, cutoff - _HISTORY_HORIZONS * horizon)
    first = panel.axis.frequency.advance(panel.starts[[position]], begin)[0]
    times = panel.axis.show(first, cutoff - begin + horizon)
    axis.plot(times, _shown(panel, position, begin, evaluation, window), color=INK, lw=1, label="actual")
    ahead = times[cutoff - begin :]
    for low, high, shade in _bands(evaluation, window):
        axis.fill_between(ahead, low, high, color=OWN, alpha=shade, lw=0)
    own_label = "median and intervals" if beside is None else f"{compared.own}, with intervals"
    axis.plot(ahead, _point(evaluation, window), color=OWN, lw=1.4, label=own_label)
    mase = f"MASE {evaluation.scores.mase_by_window[window]:.2f}"
    if beside is not None:
        other = compared.evaluations[beside]
        colour = colours(compared.own, list(compared.evaluations))[beside]
        axis.plot(ahead, _point(other, window), color=colour, lw=1.4, ls="--", label=beside)
        mase += f", {beside} {other.scores.mase_by_window[window]:.2f}"
    axis.set_title(f"{label}: {panel.series_ids[position][:30]} from {str(ahead[0])[:16]}   {mase}", fontsize=9)
    axis.tick_params(axis="x", labelrotation=20, labelsize=7)


def _shown(panel: Panel, position: int, begin: int, evaluation: Evaluation, window: int) -> FloatArray:
    cutoff = int(evaluation.cutoffs[window])
    return np.concatenate([panel.target(position)[begin:cutoff], evaluation.actual[window]])


def _bands(evaluation: Evaluation, window: int) -> list[tuple[FloatArray, FloatArray, float]]:
    """Gives lower and upper edge of each central interval, the widest first."""
    quantiles = evaluation.quantiles[window]
    levels = np.asarray(evaluation.levels)
    pairs = [(low, np.flatnonzero(np.isclose(levels, 1 - level))) for low, level in enumerate(levels) if level < 0.5]
    return [(quantiles[:, low], quantiles[:, high[0]], 0.12) for low, high in pairs if len(high)]


def _point(evaluation: Evaluation, window: int) -> FloatArray:
    return np.asarray(evaluation.quantiles[window, :, evaluation.levels.index(0.5)])
