"""Forecasters whose errors are known, and what a run has evaluated of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.evaluation import evaluate
from pipelines.report.compared import Compared
from pipelines.report.labels import Labels
from tests.factories import panel_of

LEVELS = (0.1, 0.5, 0.9)
HORIZON, SEASON = 6, 24  # of hours
LABELS = Labels("ramps", "ramps", "h", HORIZON, "encoder", "backtest", "sha256:" + "ab" * 32)


@dataclass(frozen=True)
class Shifted:
    """Forecasts what will happen, and so much more by series; its 80 % interval reaches this far to each side."""

    shifts: tuple[float, ...]  # of series 0, 1, ...; the last goes on
    reach: float = 1.0

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        rows = [panel.target(int(s))[cut : cut + horizon] for s, cut in zip(series, cutoffs, strict=True)]
        shifts = np.array([self.shifts[min(int(s), len(self.shifts) - 1)] for s in series])
        around = self.reach * np.sign(np.asarray(levels) - 0.5)
        return np.asarray(np.stack(rows)[:, :, None] + shifts[:, None, None] + around)


def ramps(num_series: int = 3, length: int = 80) -> Panel:
    """Series that rise by 1 an hour: what repeats the last day is 24 wrong, and so MASE is the error over 24."""
    return panel_of(*[100.0 * number + np.arange(length) for number in range(num_series)])


def compared_of(
    forecasters: Mapping[str, Shifted], panel: Panel | None = None, num_folds: int = 2, gap: int = 0, **more: object
) -> Compared:
    """Evaluates forecasters by role on the last folds of a panel, the first being the run's own."""
    panel = panel or ramps()
    folds = rolling_origin(panel, HORIZON, num_folds, gap=gap)
    found = {role: evaluate(forecaster, panel, folds, LEVELS) for role, forecaster in forecasters.items()}
    return Compared(panel, found, next(iter(forecasters)), **more)  # type: ignore[arg-type]
