"""A request that was understood: who answers it, what exactly it asks, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import Headers

from forecaster.arrays import FloatArray
from forecaster.errors import TimestampError
from forecaster.predictor import Predictor
from forecaster.question import Question
from forecaster.time.stored import LATEST
from forecaster.types import Forecast
from service.errors import InvalidFields
from service.models.view import ServedModel
from service.requests import reply, translate
from service.requests.adaption import Adaption
from service.requests.body import forecast_request
from service.requests.frequency import frequency_for
from service.requests.plain import plain_series_of
from service.requests.reply import Answer
from service.requests.translate import PanelIn, Warnings
from service.schemas import ForecastOptions, ForecastRequest
from service.settings import Adapt, Settings

if TYPE_CHECKING:
    from service.tables.stream import TableFacts

FindModel = Callable[[str | None], ServedModel]

Options = TypeVar("Options", bound=ForecastOptions)


@dataclass(frozen=True)
class Asked:
    """What a request comes to. It keeps the version of the model that it began with."""

    request: ForecastOptions
    model: ServedModel
    question: Question
    warnings: Warnings
    expires: float  # in monotonic time
    num_points: int  # numbers in the history and the covariates of all series
    table: TableFacts | None = None  # of a request that is a table

    @property
    def predictor(self) -> Predictor:
        """What answers."""
        return self.model.bundle.predictor

    @property
    def num_series(self) -> int:
        """Series in the request."""
        return len(self.question.series_ids)

    @property
    def num_numbers(self) -> int:
        """Numbers in the reply."""
        samples = 0 if self.request.samples is None else self.request.samples.number
        return self.num_series * self.question.horizon * (len(self.question.levels) + samples)

    def answer(
        self,
        forecast: Forecast,
        *,
        samples: FloatArray | None = None,
        degraded: str | None = None,
        forecast_id: str | None = None,
        adaption: Adaption | None = None,
    ) -> Answer:
        """Gives what is said of a forecast that answers the request, or part of it."""
        quantiles = self.request.quantiles
        shown = tuple(sorted(quantiles)) if quantiles else self.predictor.levels
        return Answer(self.model, forecast, shown, self.warnings, samples, degraded, forecast_id, adaption)


def understood(headers: Headers, body: bytes, expires: float, settings: Settings, find: FindModel) -> Asked:
    """Takes a body apart; every problem of the caller's making is found here."""
    return asked_of(with_adapt(forecast_request(headers, body, settings), settings.adapt), expires, settings, find)


def with_adapt(request: Options, adapt: Adapt) -> Options:
    """Gives a request that says whether it is to be adapted, as a service is set; InvalidFields where none is."""
    if request.adapt and adapt == "off":
        raise InvalidFields.of("adapt", "is switched off in this service (FORECASTER_ADAPT=off)")
    return request.model_copy(update={"adapt": True}) if adapt == "always" and request.adapt is None else request


def asked_of(request: ForecastRequest, expires: float, settings: Settings, find: FindModel) -> Asked:
    """Gives what a request asks, however it was written; ForecasterError where it cannot be answered."""
    num_points = translate.checked_num_points(request, settings.max_points)
    model = find(request.model)
    frequency, config = frequency_for(request, model), model.bundle.config.model
    series = plain_series_of(request, frequency, config)
    if series is None:
        return asking(request, model, translate.to_panel(request, frequency, config), num_points, expires)
    model = model.for_series(frequency, max(len(target) for target in series.targets))
    predictor = model.bundle.predictor
    levels = reply.levels_of(request, predictor.levels)
    question = predictor.plain_question(series, request.horizon, levels, roll_out=request.roll_out)
    _refuse_unanswerable(request, question)
    return Asked(request, model, question, {}, expires, num_points)


def asking(request: ForecastOptions, model: ServedModel, read: PanelIn, num_points: int, expires: float) -> Asked:
    """Gives what a request with this panel asks of a model; ForecasterError where it cannot be answered."""
    model = model.for_series(read.panel.axis.frequency, read.longest)
    predictor = model.bundle.predictor
    levels = reply.levels_of(request, predictor.levels)
    question = predictor.question(read.panel, request.horizon, levels, roll_out=request.roll_out)
    _refuse_unanswerable(request, question)
    return Asked(request, model, question, read.warnings, expires, num_points)


def _refuse_unanswerable(request: ForecastOptions, question: Question) -> None:
    """Refuses scenarios beyond what the model learned to tie together, and steps that no timestamp can tell."""
    if request.samples is not None and question.needs_roll_out:
        raise InvalidFields.of("samples", f"reach no further than the model, {question.model.horizon} steps")
    axis = question.axis
    if not axis.frequency.is_step and (axis.frequency.advance(question.ends, question.horizon - 1) > LATEST).any():
        raise TimestampError("the forecast ends after the year 2261", code="timestamp-out-of-range")
