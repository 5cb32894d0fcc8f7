"""What stands in for a model that is late, overloaded or gives no numbers, if the caller allows it: seasonal naive."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from forecaster.baselines import SeasonalNaive
from forecaster.question import Question
from forecaster.types import Forecast
from service.compute.engine import Given, Stages
from service.errors import DeadlineExceeded, ModelNotFinite, Overloaded, ServiceError
from service.requests.asked import Asked

# What it stands in for.
REASONS = (DeadlineExceeded, Overloaded, ModelNotFinite)

# What it is given of the time that a request allows: this share at most, less where there is little to write.
_SHARE, _SECONDS, _SECONDS_PER_NUMBER = 0.1, 0.05, 5e-8


def models_time(asked: Asked) -> float:
    """Gives until when a model may take, in monotonic time, so that what stands in for it is not late, too."""
    question, left = asked.question, asked.expires - time.monotonic()
    num_numbers = len(question.series_ids) * question.horizon * len(question.levels)
    return asked.expires - min(_SECONDS + _SECONDS_PER_NUMBER * num_numbers, _SHARE * left)


async def standing_in(question: Question, reason: ServiceError) -> Given:
    """Gives the forecast that stands in, and the code of the reason; computed beside the event loop."""
    return Given(await asyncio.to_thread(seasonal_naive, question), Stages(), reason.code)


def seasonal_naive(question: Question) -> Forecast:
    """Gives the forecast that stands in for a model's."""
    panel = question.to_panel()
    values = SeasonalNaive(panel.axis.frequency.season_length).forecast_windows(
        panel, np.arange(len(panel)), panel.lengths, question.horizon, question.levels
    )
    return question.forecast(values)
