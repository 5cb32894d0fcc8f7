"""How many points a table has, counted as those of a request in JSON are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.config import ModelConfig


def num_points_of(ids: pd.Series, target: pd.Series, model: ModelConfig) -> int:
    """Gives the numbers in the rows [R] of a table: a row after the last value of its series has those known ahead."""
    num_known, of_history = len(model.covariates.known), 1 + len(model.covariates.past)
    return len(ids) * (of_history + num_known) - (_num_ahead(ids, target) * of_history if num_known else 0)


def _num_ahead(ids: pd.Series, target: pd.Series) -> int:
    codes, found = pd.factorize(ids)
    observed = np.flatnonzero(target.notna().to_numpy())
    last = np.full(len(found) + 1, -1)  # the last place is that of rows without an id
    np.maximum.at(last, codes[observed], observed)
    return int((np.arange(len(ids)) > last[codes]).sum())
