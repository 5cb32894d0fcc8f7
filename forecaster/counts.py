"""Which values a model forecasts, as its config says, and whether a panel has those that the model takes in."""

from __future__ import annotations

import numpy as np

from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from forecaster.errors import SeriesError
from forecaster.model.heads import HEADS
from forecaster.support import Support

# A network that scales nothing computes in float32, which ends at 3.4e38: squares of larger values are beyond it.
LARGEST_UNSCALED = float(np.sqrt(np.finfo(np.float32).max))


def forecasts_counts(model: ModelConfig) -> bool:
    """Says whether a model forecasts counts, and nothing else."""
    return HEADS[model.head](model).counts_only


def support_of(model: ModelConfig) -> Support:
    """Says which values the forecasts of a model have."""
    return "counts" if forecasts_counts(model) else "positive" if model.scaling == "log" else "any"


def takes_any_value(model: ModelConfig) -> bool:
    """Says whether there is no value that `refuse_unfit` would refuse."""
    return not forecasts_counts(model) and model.scaling != "off"


def refuse_unfit(panel: Panel, model: ModelConfig) -> None:
    """Raises SeriesError for a value that the model cannot take in: no count, or too large to be left unscaled."""
    if forecasts_counts(model):
        _refuse_no_counts(panel)
    if model.scaling == "off":
        _refuse_unheld(panel)


def _refuse_no_counts(panel: Panel) -> None:
    wrong = np.flatnonzero((panel.values < 0) | (panel.values % 1 > 0))  # NaN is neither
    if len(wrong):
        raise SeriesError(
            f"{_found(panel, int(wrong[0]))}, but a negative binomial is one of counts: whole numbers from 0 on "
            f"({len(wrong)} such values)",
            code="not-counts",
        )


def _refuse_unheld(panel: Panel) -> None:
    wrong = np.flatnonzero(np.abs(panel.values) > LARGEST_UNSCALED)
    if len(wrong):
        raise SeriesError(
            f"{_found(panel, int(wrong[0]))}, but with scaling 'off' a network computes in the unit of the data, and "
            f"holds nothing beyond +/- {LARGEST_UNSCALED:.3g} ({len(wrong)} such values)",
            code="value-out-of-range",
        )


def _found(panel: Panel, place: int) -> str:
    """Says which value stands at one place of all values, and where that is."""
    series = int(np.searchsorted(panel.offsets, place, side="right")) - 1
    step = place - panel.offsets[series]
    return f"series {panel.series_ids[series]!r} has the value {panel.values[place]:g} at step {step}"
