"""Which values a model forecasts, as its config says, and whether a panel has those that a model of counts takes in."""

from __future__ import annotations

import numpy as np

from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from forecaster.errors import SeriesError
from forecaster.model.heads import HEADS
from forecaster.support import Support


def forecasts_counts(model: ModelConfig) -> bool:
    """Says whether a model forecasts counts, and nothing else."""
    return HEADS[model.head](model).counts_only


def support_of(model: ModelConfig) -> Support:
    """Says which values the forecasts of a model have."""
    return "counts" if forecasts_counts(model) else "positive" if model.scaling == "log" else "any"


def refuse_no_counts(panel: Panel, model: ModelConfig) -> None:
    """Raises SeriesError for a value that is no count, where the model forecasts such."""
    if not forecasts_counts(model):
        return
    wrong = np.flatnonzero((panel.values < 0) | (panel.values % 1 > 0))  # NaN is neither
    if len(wrong):
        series = int(np.searchsorted(panel.offsets, wrong[0], side="right")) - 1
        raise SeriesError(
            f"series {panel.series_ids[series]!r} has the value {panel.values[wrong[0]]:g} at step "
            f"{wrong[0] - panel.offsets[series]}, but a negative binomial is one of counts: whole numbers from 0 on "
            f"({len(wrong)} such values)",
            code="not-counts",
        )
