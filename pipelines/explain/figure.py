"""The picture of an explanation: history and forecast, what pushes it up or down, and where the encoder looks.

All panels share one axis of time; steps before the history begins are left out.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.arrays import FloatArray, IntArray
from forecaster.explain import Attribution, Explanation
from forecaster.types import Forecast

_INK, _FORECAST, _UP, _DOWN, _LOOKS = "#1f2933", "#c2410c", "#15803d", "#b91c1c", "#1d4ed8"


def draw_explanation(explanation: Explanation, forecast: Forecast, history: pd.Series, path: Path) -> None:
    """Draws the explanation of a forecast of one series, whose history is indexed by time."""
    length = min(len(history), len(explanation.gradients.values))
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 8.5), layout="constrained")
        axes = figure.subplots(4, 1, sharex=True, height_ratios=[3, 1.6, 1.6, 1.3])
        _draw_forecast(axes[0], explanation, forecast, history.to_numpy(dtype=float)[-length:])
        _draw_steps(axes[1], explanation)
        _draw_patches(axes[2], explanation)
        _draw_attention(axes[3], explanation, forecast.horizon)
        axes[3].set_xlim(-length - 0.5, forecast.horizon - 0.5)
        for axis in axes:
            axis.axvline(-0.5, color=_INK, lw=0.8, ls=":")
        _label_times(axes[3], history.index[-length:].append(forecast.timestamps(0)), length)
        figure.savefig(path, dpi=110)


def _draw_forecast(axis: Axes, explanation: Explanation, forecast: Forecast, values: FloatArray) -> None:
    """Draws the history and the forecast; what is explained is marked."""
    axis.plot(np.arange(-len(values), 0), values, color=_INK, lw=1, label="history")
    ahead, quantiles, levels = np.arange(forecast.horizon), forecast.values[0], np.asarray(forecast.levels)
    for low, level in enumerate(levels):
        high = np.flatnonzero(np.isclose(levels, 1 - level))
        if level < 0.5 and len(high):
            axis.fill_between(ahead, quantiles[:, low], quantiles[:, high[0]], color=_FORECAST, alpha=0.12, lw=0)
    middle = int(np.abs(levels - 0.5).argmin())
    axis.plot(ahead, quantiles[:, middle], color=_FORECAST, lw=1.4, label="forecast and intervals")
    if explanation.step is None:
        what = "mean over the horizon"
        axis.hlines(explanation.forecast, -0.5, forecast.horizon - 0.5, color=_FORECAST, ls="--", lw=1, label=what)
    else:
        what = f"step {explanation.step}"
        axis.plot(explanation.step - 1, explanation.forecast, "o", color=_FORECAST, ms=6, label=what)
    title = f"{explanation.series_id[:60]}: why {explanation.forecast:.4g} ({what})?"
    axis.set_title(title, loc="left", fontsize=11)
    axis.margins(y=0.12)
    axis.legend(loc="upper left", frameon=False, fontsize=8, ncols=3)


def _draw_steps(axis: Axes, explanation: Explanation) -> None:
    """Draws what each step adds to the forecast."""
    shares = explanation.gradients.values
    steps = np.arange(-len(shares), 0)
    axis.bar(steps, shares, width=1.0, color=np.where(shares >= 0, _UP, _DOWN), lw=0)
    _entitle(axis, f"by step, integrated gradients ({_verdict(explanation.gradients)}): up or down from a flat context")


def _draw_patches(axis: Axes, explanation: Explanation) -> None:
    """Draws what each patch adds to the forecast: hidden, and as the sum of its steps."""
    told, shares = explanation.occlusion.values, explanation.gradients.values
    width = len(shares) // len(told)
    edges = np.arange(-len(shares), 1, width) - 0.5
    axis.bar(edges[:-1] + width / 2, told, width=0.9 * width, color=np.where(told >= 0, _UP, _DOWN), alpha=0.55, lw=0)
    axis.stairs(shares.reshape(len(told), width).sum(axis=1), edges, color=_INK, lw=1, label="sum of its steps")
    axis.legend(loc="upper left", frameon=False, fontsize=8)
    _entitle(axis, f"by patch, occlusion ({_verdict(explanation.occlusion)}): the forecast minus the one without it")


def _draw_attention(axis: Axes, explanation: Explanation, horizon: int) -> None:
    """Draws how much each token takes part by attention, as shares of 1, each over the steps it stands for."""
    tokens = explanation.token_frame()
    widths = tokens["num_steps"].to_numpy()
    firsts = _first_steps(explanation)
    ends = np.minimum(firsts + widths, horizon)
    axis.bar(
        firsts - 0.5,
        tokens["attention_roll_out"],
        width=0.97 * (ends - firsts),
        align="edge",
        color=_LOOKS,
        alpha=0.6,
        lw=0,
    )
    _entitle(axis, "by token, attention rolled out: how much the encoder looks there (shares of 1)")


def _first_steps(explanation: Explanation) -> IntArray:
    """Gives the first step of each token [N], counted from the cutoff."""
    cutoff = np.full(len(explanation.tokens.first), explanation.cutoff)
    frequency, first = explanation.axis.frequency, explanation.tokens.first
    past = first < explanation.cutoff
    found = np.empty(len(first), dtype=np.int64)
    found[past] = -frequency.positions(first[past], cutoff[past])
    found[~past] = frequency.positions(cutoff[~past], first[~past])
    return found


def _verdict(attribution: Attribution) -> str:
    return "faithful" if attribution.faithfulness.holds else "NOT faithful: do not rely on it"


def _entitle(axis: Axes, title: str) -> None:
    axis.axhline(0, color=_INK, lw=0.6)
    axis.set_title(title, loc="left", fontsize=9)


def _label_times(axis: Axes, times: pd.Index, length: int) -> None:
    places = np.unique(np.linspace(0, len(times) - 1, 8).round().astype(int))
    axis.set_xticks(places - length, [str(times[place])[:16] for place in places], fontsize=7)
