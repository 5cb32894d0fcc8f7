"""Whether an attribution is true to the model: hiding what it calls important must matter more than hiding anything.

What is hidden are parts of the context: its patches, or its steps one by one. Parts that push the forecast to
opposite sides make up for each other, so all that are hidden as important push to the side of the strongest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.explain.question import Question


@dataclass(frozen=True)
class Faithfulness:
    """What hiding the parts with the largest attributions does, and what hiding random ones does on average."""

    num_hidden: int  # parts hidden at a time
    top_change: float  # how far the forecast moves, in the unit of the data
    random_change: float
    top_loss_rise: float  # rise of the mean absolute error on the actuals; NaN where there are none
    random_loss_rise: float

    @property
    def holds(self) -> bool:
        """True where hiding what counts as important moves the forecast more than hiding random parts."""
        return self.top_change > self.random_change


def without(question: Question, hidden: BoolArray) -> BoolArray:
    """Gives what is left to see [K L] of the context where these of its N equal parts [K N] are hidden."""
    width = len(question.observed) // hidden.shape[1]
    return np.asarray(question.observed & ~hidden.repeat(width, axis=1))


def faithfulness(
    question: Question, attribution: FloatArray, hidden_share: float, num_draws: int, seed: int
) -> Faithfulness:
    """Tests an attribution to N equal parts of the context by hiding a share of those that have a value.

    Never all of them are hidden, and at least one is where there are two or more.
    """
    seen = np.flatnonzero(question.observed.reshape(len(attribution), -1).any(axis=1))
    num_hidden = min(max(1, math.ceil(hidden_share * len(seen))), len(seen) - 1)
    draw = np.random.default_rng(seed)
    chosen = [strongest(attribution, seen, num_hidden)]
    chosen += [draw.choice(seen, num_hidden, replace=False) for _ in range(num_draws)]
    hidden = np.zeros((len(chosen), len(attribution)), dtype=np.bool_)
    for row, parts in enumerate(chosen):
        hidden[row, parts] = True
    forecasts = question.forecasts(np.concatenate([question.observed[None], without(question, hidden)]))
    changes = np.abs(forecasts[1:].mean(axis=1) - forecasts[0].mean())
    rises = _loss(forecasts[1:], question.actual) - _loss(forecasts[:1], question.actual)
    return Faithfulness(
        num_hidden, float(changes[0]), float(changes[1:].mean()), float(rises[0]), float(rises[1:].mean())
    )


def strongest(attribution: FloatArray, seen: IntArray, number: int) -> IntArray:
    """Gives the places among `seen` of the largest attributions [N] to the side of the very largest."""
    side = np.sign(attribution[seen][np.abs(attribution[seen]).argmax()])
    return np.asarray(seen[np.argsort(-side * attribution[seen], kind="stable")[:number]])


def _loss(forecasts: FloatArray, actual: FloatArray) -> FloatArray:
    """Gives the mean absolute error [K] of forecasts [K H] over the actuals [H] that there are, NaN for none."""
    known = ~np.isnan(actual)
    if not known.any():
        return np.full(len(forecasts), np.nan)
    return np.asarray(np.abs(forecasts[:, known] - actual[known]).mean(axis=1))
