"""The last observed season of a history, which the seasonal naive repeats."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import FloatArray


def last_season(history: FloatArray, season_length: int) -> FloatArray:
    """Gives the last observed value of each phase [m] of a history [T], the phase of the next step first.

    A phase that was never observed has the last observed value, or 0 where there is none.
    """
    newest = history[-season_length:]
    if len(newest) == season_length and not np.isnan(newest).any():
        return np.array(newest, dtype=np.float64)
    season = np.full(season_length, np.nan)
    for end in range(len(history), 0, -season_length):
        block = history[max(0, end - season_length) : end]
        view = season[season_length - len(block) :]
        np.copyto(view, block, where=np.isnan(view))
        if not np.isnan(season).any():
            return season
    observed = history[~np.isnan(history)]
    return np.where(np.isnan(season), observed[-1] if len(observed) else 0.0, season)
