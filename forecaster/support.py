"""Which values a model's forecasts have: any at all, none below 0 where it takes logarithms, or counts.

What is done to forecasts afterwards (rolled out, adapted, drawn from) keeps to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from forecaster.arrays import FloatArray

Support = Literal["any", "positive", "counts"]


def kept_within(values: FloatArray, own: FloatArray, support: Support) -> FloatArray:
    """Gives what was made of a model's `own` values, which broadcast, with none moved out of the support.

    A model of logarithms forecasts a series that is not all above 0 as others do: what is below 0 there may be.
    """
    if support == "counts":
        return np.asarray(np.rint(np.maximum(values, 0.0)))
    return np.where((own > 0) & (values < 0), 0.0, values) if support == "positive" else values


def in_support(made_of: Callable[[FloatArray], FloatArray], values: FloatArray, support: Support) -> FloatArray:
    """Gives what a function of quantiles [S ...] makes of them; of their logarithms for series wholly above 0.

    Tails and means of logarithms stay above 0, as the values of a "positive" support do.
    """
    made = made_of(values)
    if support != "positive":
        return made
    rows = (values > 0).reshape(len(values), -1).all(axis=1)
    if rows.any():
        made[rows] = np.exp(made_of(np.log(values[rows])))
    return made
