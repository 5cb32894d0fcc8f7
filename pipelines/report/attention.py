"""The figure of where an encoder looks in a typical window, with the dates of what it sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from forecaster.arrays import FloatArray
from forecaster.explain import Attended, attend
from forecaster.predictor import Predictor
from pipelines.report.compared import Compared
from pipelines.report.drawing import INK, OWN, drawn, evenly
from pipelines.report.forecasts import typical_and_worst

_MOST_LABELS = 12


def draw_attention(compared: Compared, predictor: Predictor, path: Path) -> Path | None:
    """Draws the attention of the typical window of the own evaluation: all heads and layers on average. Gives `path`.

    None, and no figure, where no window could be scored.
    """
    mase = compared.first.scores.mase_by_window
    if np.isnan(mase).all():
        return None
    _, window = typical_and_worst(mase)[0]
    position, cutoff = int(compared.first.series[window]), int(compared.first.cutoffs[window])
    found = attend(predictor, compared.panel, position, cutoff)
    with drawn(path, 11, 5.2) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        _draw_map(left, found)
        _draw_roll_out(right, found, compared.panel.target(position)[:cutoff])
        when = compared.panel.axis.text(found.cutoff)
        figure.suptitle(f"Attention of a typical window: {found.series_id[:40]}, forecast from {when}", fontsize=10)
    return path


def _draw_map(axis: Axes, found: Attended) -> None:
    weights = found.maps.mean(axis=(0, 1, 2))
    axis.imshow(weights, cmap="OrRd", aspect="auto", vmin=0)
    places, labels = _dates(found)
    axis.set_xticks(places, labels, rotation=60, ha="right", fontsize=7)
    axis.set_yticks(places, labels, fontsize=7)
    axis.set(xlabel="what it sees, by first step", ylabel="the token that looks")
    axis.set_title(f"Mean of {found.maps.shape[1]} layers and {found.maps.shape[2]} heads")
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _draw_roll_out(axis: Axes, found: Attended, history: FloatArray) -> None:
    """Draws how much each token takes part, under the values that it stands for."""
    places, labels = _dates(found)
    numbers = np.arange(len(found.roll_out))
    axis.bar(numbers, found.roll_out, width=0.9, color=OWN, alpha=0.6)
    axis.set_xticks(places, labels, rotation=60, ha="right", fontsize=7)
    axis.set(xlabel="token, by first step", ylabel="share of 1 (bars)")
    axis.set_title("Followed through the layers: how much each takes part")
    values = axis.twinx()
    means = [_mean(history, span) for span in found.spans]
    values.plot(numbers, means, color=INK, lw=1, marker="o", ms=2.5)
    values.set_ylabel("mean of its values (line)")
    for side in ("left", "bottom"):
        values.spines[side].set_visible(False)


def _dates(found: Attended) -> tuple[list[int], list[str]]:
    """Gives places of tokens and their first timestamps: as many as can be read."""
    num_tokens = len(found.spans)
    places = evenly(num_tokens, _MOST_LABELS)
    times = found.axis.label(found.tokens.first)
    return places, [str(times[place])[:16] for place in places]


def _mean(history: FloatArray, span: tuple[int, int]) -> float:
    """Gives the mean of the values of a token; NaN in the future and before the series begins."""
    first, last = (len(history) + step for step in span)
    return float(pd.Series(history[max(first, 0) : max(last + 1, 0)]).mean())
