"""A request for a rolling forecast that was understood: who answers it, what exactly it asks, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from starlette.datastructures import Headers

from forecaster.anomalies import asked_levels
from forecaster.arrays import IntArray
from forecaster.data.origins import Consecutive, CountedBack, Origins
from forecaster.rolling import RollingQuestion
from forecaster.types import ends_of
from service.answers.schemas import AnomalyRequest, BacktestRequest, RollingRequest
from service.errors import InvalidFields
from service.models.view import ServedModel
from service.requests import translate
from service.requests.asked import FindModel
from service.requests.body import request_of
from service.requests.frequency import frequency_for
from service.requests.translate import Warnings
from service.schemas import DataWarning
from service.settings import Settings

R = TypeVar("R", bound=RollingRequest)
B = TypeVar("B", bound=BacktestRequest)
A = TypeVar("A", bound=AnomalyRequest)


@dataclass(frozen=True)
class RollingAsked(Generic[R]):
    """What a request comes to. It keeps the version of the model that it began with."""

    request: R
    model: ServedModel
    question: RollingQuestion
    warnings: Warnings

    @property
    def cost_points(self) -> int:
        """Points to pay for, by the horizon: those that each forecast sees, and no fewer than were sent."""
        return max(self.request.num_points, int(self.question.num_seen.sum()))


@dataclass(frozen=True)
class _Plan:
    """From where to forecast, how far, at which levels, and which field says how many forecasts that makes."""

    origins: Origins
    horizon: int | None
    levels: Sequence[float] | None
    field: str


def backtest_asked(headers: Headers, body: bytes, settings: Settings, find: FindModel) -> RollingAsked[BacktestRequest]:
    """Takes the body of a backtest apart; every problem of the caller's making is found here."""
    request = request_of(BacktestRequest, headers, body, settings)
    return backtest_of(request, find(request.model), settings)


def backtest_of(request: B, model: ServedModel, settings: Settings) -> RollingAsked[B]:
    """Gives what a backtest asks of a model, however it was written; ForecasterError where it cannot be answered."""
    if request.history:
        for name in ("num_windows", "step_size"):
            if getattr(request, name) is not None:
                raise InvalidFields.of(name, "has no meaning with history, which is forecast block after block")
        plan = _Plan(Consecutive(), request.horizon, _scored_levels(request, model), "history")
    else:
        num_windows = 1 if request.num_windows is None else request.num_windows
        _refuse_many(num_windows, len(request.series), settings, "num_windows")
        origins = CountedBack(num_windows, request.step_size)
        plan = _Plan(origins, request.horizon, _scored_levels(request, model), "num_windows")
    return _asked(request, model, plan, settings)


def anomalies_asked(headers: Headers, body: bytes, settings: Settings, find: FindModel) -> RollingAsked[AnomalyRequest]:
    """Takes the body of a search for anomalies apart; every problem of the caller's making is found here."""
    request = request_of(AnomalyRequest, headers, body, settings)
    return anomalies_of(request, find(request.model), settings)


def anomalies_of(request: A, model: ServedModel, settings: Settings) -> RollingAsked[A]:
    """Gives what a search asks of a model, however it was written; ForecasterError where it cannot be answered."""
    predictor, last = model.bundle.predictor, request.detection_size
    longest = predictor.horizon if last is None else min(last, predictor.horizon)
    step = longest if request.step_size is None else request.step_size
    if last is not None:
        _refuse_many(-(-last // step), len(request.series), settings, "detection_size")
    levels = asked_levels(request.level, predictor.levels, predictor.network.level_range)
    if step > predictor.horizon:
        raise InvalidFields.of("step_size", f"is {step}, but this model forecasts {predictor.horizon} steps")
    field = "step_size" if last is None else "detection_size"
    return _asked(request, model, _Plan(Consecutive(last), step, levels, field), settings)


def _asked(request: R, model: ServedModel, plan: _Plan, settings: Settings) -> RollingAsked[R]:
    translate.checked_num_points(request, settings.max_points)
    read = translate.to_panel(request, frequency_for(request, model), model.bundle.config.model)
    model = model.for_series(read.panel.axis.frequency, read.longest)
    question = model.bundle.predictor.rolling_question(
        read.panel, plan.origins, plan.horizon, plan.levels, min_context=request.min_context
    )
    _refuse_large(question, settings, plan.field)
    return RollingAsked(request, model, question, _with_short_ones(read.warnings, question, plan.origins))


def _scored_levels(request: BacktestRequest, model: ServedModel) -> list[float]:
    """Gives the levels that quantiles, intervals and scores need together."""
    shown = request.quantiles or list(model.bundle.predictor.levels)
    if len(set(shown)) < len(shown):
        return shown  # refused as it is
    return sorted({*shown, 0.5, *(end for percent in request.intervals for end in ends_of(percent))})


def _refuse_many(num_windows: int, num_series: int, settings: Settings, field: str) -> None:
    if num_windows * num_series > settings.max_windows:
        raise InvalidFields.of(
            field, f"{num_windows} forecasts of each of {num_series} series, at most {settings.max_windows} are allowed"
        )


def _refuse_large(question: RollingQuestion, settings: Settings, field: str) -> None:
    """Refuses more forecasts than the limit before any is computed, and more numbers than that of the reply."""
    windows, steps, levels = question.num_windows, question.horizon, len(question.levels)
    if windows > settings.max_windows:
        raise InvalidFields.of(
            field, f"{windows} forecasts of all series together, at most {settings.max_windows} are allowed"
        )
    if windows * steps * levels > settings.max_numbers:
        raise InvalidFields.of(
            field,
            f"{windows} forecasts x {steps} steps x {levels} levels are {windows * steps * levels} numbers, at most "
            f"{settings.max_numbers} are allowed",
        )


def _with_short_ones(warnings: Warnings, question: RollingQuestion, origins: Origins) -> Warnings:
    """Adds a warning for each series of which less is forecast than is asked for."""
    found = dict(warnings)
    for position, less in _shortfalls(question, origins):
        message = f"{less}, the model would see fewer than {question.min_context} steps, or no value in them"
        series_id = question.panel.series_ids[position]
        found[series_id] = [*found.get(series_id, ()), DataWarning(code="fewer-windows", message=message)]
    return found


def _shortfalls(question: RollingQuestion, origins: Origins) -> Iterator[tuple[int, str]]:
    """Yields each series of which less is forecast, and what is missing."""
    series, num_series = question.addresses.series, len(question.panel)
    counts: IntArray = np.bincount(series, minlength=num_series)
    if isinstance(origins, CountedBack):
        for position in np.flatnonzero(counts < origins.num_windows).tolist():
            of = f"of the {origins.num_windows} or more that are asked for"
            yield position, f"forecast from {counts[position]} cutoff(s) {of}: from others"
        return
    wanted = origins.last if isinstance(origins, Consecutive) else None
    lengths = np.minimum(question.horizon, question.panel.lengths[series] - question.addresses.cutoffs)
    num_steps = np.bincount(series, weights=lengths, minlength=num_series).astype(np.int64)
    for position in np.flatnonzero(num_steps < (wanted or 1)).tolist():
        asked = "" if wanted is None else f" of the {wanted} that are asked for"
        yield position, f"{num_steps[position]} step(s){asked} are forecast: before others"
