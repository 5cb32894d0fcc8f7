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
        return np.asarray(np.rint(np.maximum(values, 0.0)) + 0.0)  # -0.0 is no less than 0
    return np.where((own > 0) & (values < 0), 0.0, values) if support == "positive" else values


def in_support(made_of: Callable[[FloatArray], FloatArray], values: FloatArray, support: Support) -> FloatArray:
    """Gives what a function of quantiles [S ...] makes of them, [S ...] too; of logarithms for rows wholly above 0.

    Tails and means of logarithms stay above 0, as the values of a "positive" support do.
    """
    is_above_0 = (values > 0).reshape(len(values), -1).all(axis=1)
    if support != "positive" or not is_above_0.any():
        return made_of(values)
    rows = is_above_0.reshape(-1, *[1] * (values.ndim - 1))
    made = np.exp(made_of(np.log(np.where(rows, values, 1.0))))
    return made if is_above_0.all() else np.where(rows, made, made_of(values))
