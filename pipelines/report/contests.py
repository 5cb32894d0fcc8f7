"""Figures of several forecasters on the same windows: by step of the horizon, over time, and series by series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from forecaster.arrays import FloatArray, IntArray
from pipelines.report.compared import Compared
from pipelines.report.drawing import FAINT, INK, OWN, colours, drawn, evenly, grid_lines
from pipelines.report.tables import fold_table

_COVERAGE = "coverage_80"
_MOST_POINTS, _MOST_LABELS = 5000, 7
_WIDE = 10  # range beyond which an axis is logarithmic


def draw_horizon(compared: Compared, path: Path) -> Path:
    """Draws MASE and the coverage of the 80 % interval by step of the horizon, for all roles. Gives `path`."""
    curves = {role: found.scores.as_metrics_by_step() for role, found in compared.evaluations.items()}
    steps = np.arange(1, compared.first.actual.shape[1] + 1)
    with drawn(path, 11, 3.8) as figure:
        axes = figure.subplots(1, 2)
        for axis, name in zip(axes, ("mase_by_step", f"{_COVERAGE}_by_step"), strict=True):
            _draw_lines(axis, compared, steps, {role: found[name] for role, found in curves.items() if name in found})
            axis.set(xlabel="step of the horizon")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _entitle(axes, "Error by step of the horizon")
    return path


def draw_over_time(compared: Compared, path: Path) -> Path:
    """Draws MASE and the coverage of the 80 % interval by fold, for all roles: whether quality drifts. Gives `path`."""
    folds = {role: fold_table(compared.alone(role)) for role in compared.evaluations}
    table = folds[compared.own]
    places = np.arange(len(table))
    with drawn(path, 11, 3.8) as figure:
        axes = figure.subplots(1, 2)
        for axis, name in zip(axes, ("mase", _COVERAGE), strict=True):
            lines = {role: found[name].to_numpy() for role, found in folds.items() if name in found}
            _draw_lines(axis, compared, places, lines)
            shown = evenly(len(table), _MOST_LABELS)
            labels = [str(table["forecast_from"].iloc[place])[:16] for place in shown]
            axis.set_xticks(shown, labels, fontsize=7, rotation=20, ha="right")
            axis.set(xlabel="first step forecast")
        _entitle(axes, "Error over time, fold by fold")
    return path


def draw_contest(compared: Compared, role: str, path: Path) -> Path:
    """Draws the MASE of each series by the own forecaster over that by another one. Gives `path`."""
    ours, theirs, total = paired_mase(compared, role)
    with drawn(path, 11, 4.6) as figure:
        left, right = figure.subplots(1, 2)
        _draw_points(left, compared, ours, theirs, role)
        _draw_ratios(right, compared, ours, theirs, role)
        shown = f"{len(ours):,} series" if len(ours) == total else f"{len(ours):,} of {total:,} series, evenly spaced"
        figure.supxlabel(shown, fontsize=8, color=INK)
    return path


def paired_mase(compared: Compared, role: str) -> tuple[FloatArray, FloatArray, int]:
    """Gives the mean MASE of series [n] by the own forecaster and by that of `role`, and how many were scored."""
    frame = pd.DataFrame(
        {
            "series": compared.first.series,
            "ours": compared.first.scores.mase_by_window,
            "theirs": compared.evaluations[role].scores.mase_by_window,
        }
    ).dropna()
    means = frame.groupby("series").mean()
    shown = means.iloc[:: max(1, -(-len(means) // _MOST_POINTS))]
    return shown["ours"].to_numpy(), shown["theirs"].to_numpy(), len(means)


def _draw_lines(axis: Axes, compared: Compared, places: FloatArray | IntArray, lines: dict[str, FloatArray]) -> None:
    colour = colours(compared.own, list(compared.evaluations))
    marker = "o" if len(places) <= 60 else None
    for role in (*compared.others, compared.own):
        if role in lines:
            style = {"lw": 1.8} if role == compared.own else {"lw": 1.1, "ls": "--"}
            axis.plot(places, lines[role], color=colour[role], label=role, marker=marker, ms=3, **style)
    grid_lines(axis)


def _entitle(axes: list[Axes], title: str) -> None:
    left, right = axes
    left.set_title(f"{title}: MASE")
    left.set_ylim(bottom=0)
    if left.lines:
        left.legend(loc="best")
    right.set_title("Share of actual values inside the 80 % interval")
    right.axhline(0.8, color=INK, lw=1, ls=":")
    right.set_ylim(0, 1)


def _draw_points(axis: Axes, compared: Compared, ours: FloatArray, theirs: FloatArray, role: str) -> None:
    positive = np.concatenate([ours, theirs])
    positive = positive[positive > 0]
    low, high = (positive.min() * 0.8, positive.max() * 1.25) if len(positive) else (0.1, 10.0)
    axis.plot([low, high], [low, high], color=FAINT, lw=1, ls=":")
    axis.scatter(theirs, ours, s=14 if len(ours) < 500 else 5, color=OWN, alpha=0.6, lw=0)
    axis.set(xlim=(low, high), ylim=(low, high))
    axis.set(xlabel=f"MASE by {role}", ylabel=f"MASE by {compared.own}")
    wins = float((ours < theirs).mean()) if len(ours) else float("nan")
    axis.set_title(f"Below the diagonal {compared.own} is better: {wins:.0%} of series")
    if high > _WIDE * low:
        _make_logarithmic(axis)


def _draw_ratios(axis: Axes, compared: Compared, ours: FloatArray, theirs: FloatArray, role: str) -> None:
    comparable = (theirs > 0) & (ours > 0)
    ratios = np.sort(ours[comparable] / theirs[comparable])
    shares = (np.arange(len(ratios)) + 1) / max(len(ratios), 1)
    axis.step(ratios, shares, where="post", color=OWN, lw=1.6)
    axis.axvline(1, color=INK, lw=1, ls=":")
    axis.set(xlabel=f"MASE by {compared.own} / MASE by {role}", ylabel="share of series below", ylim=(0, 1))
    axis.set_title("How much better or worse, series by series")
    grid_lines(axis)


def _make_logarithmic(axis: Axes) -> None:
    axis.set(xscale="log", yscale="log")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        each.set_major_formatter(StrMethodFormatter("{x:g}"))
        each.set_minor_formatter(NullFormatter())
