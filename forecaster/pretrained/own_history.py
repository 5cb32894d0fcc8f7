"""Calibration of the encoder on the history of the very series that it is to forecast, which it was not trained on.

series  |------- context -------|--- H ---|--- H ---|          forecast
        steps seen before each cutoff     ^ cutoffs ^ end      as wide as the errors at the cutoffs want it
"""

from __future__ import annotations

import numpy as np

from forecaster.arrays import IntArray
from forecaster.calibration import HeldOut, calibrate
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold
from forecaster.evaluation import evaluate
from forecaster.predictor import Predictor

_MOST_WINDOWS = 256
_MOST_CUTOFFS = 8  # of a series, H steps apart, the newest
_FEWEST_SEASONS = 2  # before a cutoff


def calibrated(predictor: Predictor, panel: Panel) -> Predictor:
    """Gives the predictor with intervals as its errors at the last cutoffs of a panel want them; medians stay.

    At most 256 windows are looked at, evenly spread over series and cutoffs. The fewer there are, the less their word
    counts (`forecaster.calibration`); where no series has two seasons and a horizon, nothing changes. Series count by
    their ids, so that the order of a table does not matter.
    """
    by_id = np.array(sorted(range(len(panel)), key=panel.series_ids.__getitem__), dtype=np.int64)
    windows = _windows(predictor, panel, by_id)
    if not len(windows.series):
        return predictor
    found = evaluate(predictor, panel, [windows], predictor.levels)
    stretches = (panel.lengths[found.series] - found.cutoffs) // predictor.horizon
    ranks = np.argsort(by_id)[found.series]
    held_out = HeldOut(found.quantiles, found.actual, found.levels, ranks, stretches)
    return Predictor(predictor.networks, predictor.frequency, calibrate(held_out))


class CalibratedOnHistory:
    """Calibrates a predictor, for each fold, on what came before it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def fitted(self, visible: Panel, fold: Fold) -> Predictor:
        """Gives the predictor with the calibration of what a fold may see."""
        return calibrated(self._predictor, visible)


def _windows(predictor: Predictor, panel: Panel, by_id: IntArray) -> Fold:
    """Gives the windows that are long enough, and of these as many as are looked at, as one fold."""
    horizon, context = predictor.horizon, predictor.network.context_length
    fewest = max(horizon, _FEWEST_SEASONS * panel.axis.frequency.season_length)
    back = horizon * np.arange(_MOST_CUTOFFS, 0, -1)
    cutoffs = panel.lengths[by_id, None] - back  # [S K]
    ranks, places = np.nonzero(cutoffs >= fewest)
    chosen = np.unique(np.linspace(0, len(ranks) - 1, min(_MOST_WINDOWS, len(ranks))).round().astype(np.int64))
    series, ends = by_id[ranks[chosen]], cutoffs[ranks, places][chosen]
    windows = zip(series.tolist(), ends.tolist(), strict=True)
    seen = np.array([_is_seen(panel, place, end, context) for place, end in windows], dtype=np.bool_)
    return Fold(0, series[seen], ends[seen], horizon)


def _is_seen(panel: Panel, series: int, cutoff: int, context_length: int) -> bool:
    """Whether a window shows any value to forecast from."""
    return bool(np.isfinite(panel.target(series)[max(0, cutoff - context_length) : cutoff]).any())
