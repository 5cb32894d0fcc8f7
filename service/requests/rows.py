"""At which steps of its series the values of a request stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Rows:
    """At which steps of its series the values of a request stand."""

    num_steps: int
    steps: IntArray | None = None  # [n] None: at every one

    def spread(self, values: FloatArray) -> FloatArray:
        """Gives values [n] at their steps [num_steps], NaN between them."""
        if self.steps is None:
            return values
        spread = np.full(self.num_steps, np.nan)
        spread[self.steps] = values
        return spread
