"""Figures of one forecaster's errors: are its probabilities true, and is there anything left in its residuals?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from forecaster.arrays import FloatArray
from pipelines.report.compared import Compared
from pipelines.report.drawing import FAINT, INK, OWN, colours, drawn, grid_lines

_MOST_LAGS = 48


@dataclass(frozen=True)
class Reliability:
    """How often actual values lay where a forecaster said; Q levels."""

    levels: FloatArray  # [Q] share that is expected below
    below: FloatArray  # [Q] share that was below
    edges: FloatArray  # [Q + 2] 0, the levels, 1
    density: FloatArray  # [Q + 1] share between two edges over the share expected there; 1 everywhere is ideal


def draw_calibration(compared: Compared, path: Path) -> Path:
    """Draws reliability of all roles and the PIT histogram of the own one. Gives `path`."""
    colour = colours(compared.own, list(compared.evaluations))
    with drawn(path, 11, 4.2) as figure:
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
        for role in (*compared.others, compared.own):
            found = reliability(compared, role)
            style = {"lw": 1.6, "marker": "o", "ms": 4} if role == compared.own else {"lw": 1.1, "ls": "--"}
            left.plot(found.levels, found.below, color=colour[role], label=role, **style)
        left.set(xlabel="quantile level", ylabel="share of actual values below", xlim=(0, 1), ylim=(0, 1))
        left.set_title("Reliability: on the diagonal is right")
        left.legend(loc="upper left")
        _draw_pit(right, reliability(compared, compared.own))
        figure.supxlabel(compared.extent, fontsize=8, color=INK)
    return path


def _draw_pit(axis: Axes, found: Reliability) -> None:
    widths = np.diff(found.edges)
    axis.bar(found.edges[:-1], found.density, width=widths, align="edge", color=OWN, alpha=0.5, edgecolor="white")
    axis.axhline(1, color=INK, lw=1, ls=":")
    axis.set(xlabel="where actual values stand in the forecast (PIT)", ylabel="share over expected share", xlim=(0, 1))
    axis.set_title("PIT: flat is right, a hill too wide, a valley too narrow")


def reliability(compared: Compared, role: str) -> Reliability:
    """Counts actual values of the windows that are shown, between the levels of a forecaster."""
    found, places = compared.evaluations[role], compared.sample
    quantiles, actual = found.quantiles[places], found.actual[places]
    scored = ~np.isnan(actual) & ~np.isnan(quantiles).any(axis=2)
    levels = np.asarray(found.levels)
    below = (
        (actual[scored][:, None] <= quantiles[scored]).mean(axis=0) if scored.any() else np.full(len(levels), np.nan)
    )
    edges = np.concatenate([[0.0], levels, [1.0]])
    density = np.diff(np.concatenate([[0.0], below, [1.0]])) / np.diff(edges)
    return Reliability(levels, below, edges, density)


def draw_residuals(compared: Compared, path: Path) -> Path:
    """Draws the autocorrelation of residuals within windows, and where they lie. Gives `path`."""
    residuals = scaled_residuals(compared)
    correlation, limit = autocorrelation(residuals)
    with drawn(path, 11, 3.6) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
        lags = np.arange(1, len(correlation) + 1)
        left.bar(lags, correlation, width=0.6, color=OWN, alpha=0.7)
        left.axhline(0, color=INK, lw=0.6)
        left.axhspan(-limit, limit, color=FAINT, alpha=0.25, lw=0)
        left.set(xlabel="lag in steps", ylabel="autocorrelation", ylim=(-1, 1))
        left.set_title("Residuals of a forecast: how long an error lasts, and whether a season is left in it")
        _draw_histogram(right, residuals)
        figure.supxlabel(compared.extent, fontsize=8, color=INK)
    return path


def _draw_histogram(axis: Axes, residuals: FloatArray) -> None:
    values = residuals[~np.isnan(residuals)]
    if len(values):
        reach = max(float(np.quantile(np.abs(values), 0.99)), 1e-9)
        axis.hist(np.clip(values, -reach, reach), bins=41, color=OWN, alpha=0.6)
        axis.axvline(float(values.mean()), color=INK, lw=1, label=f"mean {values.mean():.3f}")
        axis.legend(loc="upper left")
    axis.axvline(0, color=INK, lw=1, ls=":")
    axis.set(xlabel="(actual - median) / scale of MASE", ylabel="steps")
    axis.set_title("Where they lie (1 % at the ends)")
    grid_lines(axis)


def scaled_residuals(compared: Compared) -> FloatArray:
    """Gives actual value less median [n H] over the denominator of MASE, of the windows that are shown."""
    found, places = compared.first, compared.sample
    point = found.quantiles[places][:, :, found.levels.index(0.5)]
    return np.asarray((found.actual[places] - point) / compared.scales[0][places][:, None])


def autocorrelation(residuals: FloatArray) -> tuple[FloatArray, float]:
    """Gives the autocorrelation within rows [n H] at lags 1 .. H - 1 (48 at most), and the 95 % bound for white noise.

    The mean over all is taken off first; pairs with a missing value count for nothing.
    """
    observed = ~np.isnan(residuals)
    if not observed.any():
        return np.empty(0), 0.0
    centred = np.where(observed, residuals - residuals[observed].mean(), 0.0)
    variance = (centred**2).sum() / observed.sum()
    num_lags = min(residuals.shape[1] - 1, _MOST_LAGS)
    found = np.full(num_lags, np.nan)
    for lag in range(1, num_lags + 1):
        num_pairs = (observed[:, lag:] & observed[:, :-lag]).sum()
        if num_pairs and variance > 0:
            found[lag - 1] = (centred[:, lag:] * centred[:, :-lag]).sum() / num_pairs / variance
    return found, float(1.96 / np.sqrt(observed.sum()))
