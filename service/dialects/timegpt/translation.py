"""Requests of TimeGPT's clients -> what the same requests to /v1 ask, and the fields of those in the clients' words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.datastructures import Headers

from service.answers.asked import RollingAsked, anomalies_of, backtest_of
from service.answers.schemas import AnomalyRequest, BacktestRequest
from service.app_state import Service
from service.dialects.timegpt.bodies import (
    AnomaliesSent,
    CrossValidationSent,
    ForecastSent,
    OnlineSent,
    RollingSent,
    Sent,
)
from service.dialects.timegpt.choice import Choices, frequencies_of, may_be_steps
from service.dialects.timegpt.exogenous import Rows, columns_of
from service.dialects.timegpt.series import refuse_misfit, series_of
from service.dialects.timegpt.starts import starts_of
from service.errors import InvalidFields
from service.models.view import ServedModel
from service.requests.asked import Asked, FindModel, asked_of
from service.requests.body import request_of, validated
from service.schemas import DataWarning, ForecastRequest, Percent

_MOST_LEVELS = 49
_MEDIAN = 0.5
_NAMES = {
    "horizon": "h",
    "quantiles": "level",
    "intervals": "level",
    "num_windows": "n_windows",
    "history": "full_history",
    "name": "output_model_id",
    "max_steps": "finetune_steps",
    "trained_blocks": "finetune_depth",
}
_FIRST = "0"  # the series under which is told what concerns all
_READ_AS_MONTHS = DataWarning(
    code="read-as-months",
    message="all series were read as months: the SDK calls integer times MS too, and only a model of integer steps "
    "reads them as such",
)
_START = re.compile(r"series\.(\d+)\.start")

Intervals = Annotated[list[Percent], Field(max_length=_MOST_LEVELS)]


class Forecast(ForecastRequest):
    """A forecast with as many intervals as quantiles make."""

    intervals: Intervals = Field(default_factory=list)


class Backtest(BacktestRequest):
    """Forecasts of the past with as many intervals as quantiles make."""

    intervals: Intervals = Field(default_factory=list)


class Search(AnomalyRequest):
    """A search for anomalies, and whether all series together or each for itself says what is one."""

    threshold_method: Literal["univariate", "multivariate"] = "univariate"


A = TypeVar("A", Asked, RollingAsked[Backtest], RollingAsked[Search])


def forecast_asked(service: Service, headers: Headers, body: bytes, expires: float, find: FindModel) -> Asked:
    """Takes the body of a forecast apart; every problem of the caller's making is found here."""
    sent = request_of(ForecastSent, headers, body, service.settings)
    num_known = len(sent.series.X_future or ())
    rows = Rows(len(sent.series.X or ()), frozenset(range(num_known)))
    served, series = read_series(service, sent, find, rows, sent.h)
    options = {"horizon": sent.h, "quantiles": [_MEDIAN], "intervals": _intervals(sent.level), "roll_out": True}
    with in_its_words():
        request = validated(Forecast, {**series, **options}, service.settings)
        return _noted(asked_of(request, expires, service.settings, lambda _: served), sent)


def cross_validation_asked(service: Service, headers: Headers, body: bytes, find: FindModel) -> RollingAsked[Backtest]:
    """Takes the body of a cross-validation apart; every problem of the caller's making is found here."""
    sent = request_of(CrossValidationSent, headers, body, service.settings)
    served, series = read_series(service, sent, find, _rows_of(sent))
    options: dict[str, Any] = {"quantiles": [_MEDIAN], "intervals": _intervals(sent.level), **_min_context(sent)}
    if sent.full_history:
        options["history"] = True
    else:
        options |= {"horizon": sent.h, "num_windows": sent.n_windows, "step_size": sent.step_size}
    with in_its_words():
        request = validated(Backtest, {**series, **options}, service.settings)
        return _noted(backtest_of(request, served, service.settings), sent)


def anomalies_asked(service: Service, headers: Headers, body: bytes, find: FindModel) -> RollingAsked[Search]:
    """Takes the body of a search for anomalies apart; every problem of the caller's making is found here."""
    sent = request_of(AnomaliesSent, headers, body, service.settings)
    served, series = read_series(service, sent, find, Rows(len(sent.series.X or ()), None))
    with in_its_words():
        request = validated(Search, {**series, "level": sent.level, **_min_context(sent)}, service.settings)
        return _noted(anomalies_of(request, served, service.settings), sent)


def online_asked(service: Service, headers: Headers, body: bytes, find: FindModel) -> RollingAsked[Search]:
    """Takes the body of a search among the last values apart; every problem of the caller's making is found here."""
    sent = request_of(OnlineSent, headers, body, service.settings)
    served, series = read_series(service, sent, find, _rows_of(sent))
    step = sent.h if sent.step_size is None else sent.step_size
    longest = served.bundle.predictor.horizon
    if sent.h > longest:
        raise InvalidFields.of("h", f"is {sent.h}, but this model forecasts {longest} steps")
    if step > sent.h:
        raise InvalidFields.of("step_size", f"is {step}: of forecasts of {sent.h} steps, some values would have none")
    options = {
        "level": sent.level,
        "detection_size": sent.detection_size,
        "step_size": step,
        "threshold_method": sent.threshold_method,
        **_min_context(sent),
    }
    with in_its_words():
        request = validated(Search, {**series, **options}, service.settings)
        return _noted(anomalies_of(request, served, service.settings), sent)


def read_series(
    service: Service, sent: Sent, find: FindModel, rows: Rows, ahead: int = 0
) -> tuple[ServedModel, dict[str, Any]]:
    """Gives the model that is asked, and the series as /v1 has them, with their frequency."""
    series, settings = sent.series, service.settings
    if not ahead and series.X_future:
        raise InvalidFields.of("series.X_future", "has no meaning here: features of the past are those of X")
    refuse_misfit(series, ahead, settings)
    frequencies = frequencies_of(sent.freq, has_starts=series.start_datetime is not None)
    served, frequency = Choices.of(service).meant(sent.named, frequencies, find)
    model = served.bundle.config.model
    if sent.multivariate and model.channels != "group":
        raise InvalidFields.of("multivariate", "must be false: this model forecasts each series alone")
    columns = columns_of(rows, model.covariates, sent.model_parameters)
    starts = starts_of(series.start_datetime, series.sizes, frequency, model)
    found = series_of(series, columns, starts, ahead, see_each_other=sent.multivariate)
    return served, {"series": found, "frequency": frequency.alias}


def _rows_of(sent: RollingSent) -> Rows:
    return Rows.split(len(sent.series.X or ()), sent.hist_exog)


def _intervals(level: Sequence[float] | None) -> list[float]:
    """Gives each level once, without 0, which is the median: of quantiles the SDK makes the same level twice."""
    found = sorted(set(level or ()) - {0})
    if len(found) > _MOST_LEVELS:
        raise InvalidFields.of("level", f"has {len(found)} levels, at most {_MOST_LEVELS} are allowed")
    return found


def _min_context(sent: Sent) -> dict[str, Any]:
    return {} if sent.model_parameters is None else {"min_context": sent.model_parameters.min_context}


def _noted(asked: A, sent: Sent) -> A:
    """Adds a warning where series were read as months that may have integer times."""
    own = asked.model.own_frequency
    are_steps = own is not None and own.is_step
    if are_steps or not may_be_steps(sent.freq, has_starts=sent.series.start_datetime is not None):
        return asked
    told = [_READ_AS_MONTHS, *asked.warnings.get(_FIRST, ())]
    return replace(asked, warnings={**asked.warnings, _FIRST: told})


@contextmanager
def in_its_words() -> Iterator[None]:
    """Gives problems with the names that the dialect has for what is wrong."""
    try:
        yield
    except InvalidFields as error:
        raise type(error)([{**field, "field": _in_words(field["field"])} for field in error.fields]) from error


def _in_words(name: str) -> str:
    return _NAMES.get(name) or _START.sub(r"series.start_datetime.\1", name)
