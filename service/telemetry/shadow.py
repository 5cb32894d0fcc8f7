"""Shadow traffic: a share of the requests to a model also goes to its challenger, whose answers are only recorded.

What is recorded is how far the two stand apart, step by step, as a share of the width of the answer that was given:
0.1 means that the challenger's quantiles lie a tenth of the champion's widest interval away, on average. Shadows
are dropped rather than queued where the service is busy, and cannot fail a request.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time

import numpy as np

from forecaster.errors import ForecasterError
from forecaster.types import Forecast
from service.compute.engine import Engine
from service.models.models import Models
from service.models.view import ServedModel
from service.requests.asked import Asked
from service.settings import Settings
from service.telemetry.forecast_metrics import ForecastMetrics

log = logging.getLogger("service.telemetry.shadow")

_MOST_AT_ONCE = 4
_SECONDS = 5.0


class Shadow:
    """Sends shadows of requests to the challengers that are served beside the models asked for."""

    def __init__(self, settings: Settings, models: Models, engine: Engine, metrics: ForecastMetrics) -> None:
        self._settings = settings
        self._models = models
        self._engine = engine
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        """True while a challenger is asked."""
        return bool(self._running)

    def follow(self, asked: Asked, given: Forecast) -> None:
        """Perhaps sends the shadow of a request that was answered; returns at once."""
        share = self._settings.shadow_share
        if not share or random.random() >= share:  # noqa: S311 - a sample, not a secret
            return
        challenger = self._models.challenger_of(asked.model)
        if challenger is None:
            return
        if len(self._running) >= _MOST_AT_ONCE or not self._engine.is_idle:
            self._metrics.count_shadow(challenger, "dropped")
            return
        task = asyncio.create_task(self._answered(asked, challenger, given))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answered(self, asked: Asked, challenger: ServedModel, given: Forecast) -> None:
        try:
            predictor = challenger.bundle.predictor
            question = predictor.question(
                asked.question.to_panel(), given.horizon, given.levels, roll_out=asked.request.roll_out
            )
            answer = await self._engine.forecast(predictor, question, time.monotonic() + _SECONDS)
        except ForecasterError as error:
            self._metrics.count_shadow(challenger, error.code)
            return
        self._metrics.count_shadow(challenger, "answered", distance(answer.forecast, given))


def distance(forecast: Forecast, other: Forecast) -> float | None:
    """Gives the mean distance of two forecasts at the same levels, as a share of the width of the other one.

    None where the other one has no width.
    """
    width = (other.values[..., -1] - other.values[..., 0]).mean()
    return float(np.abs(forecast.values - other.values).mean() / width) if width > 0 else None
