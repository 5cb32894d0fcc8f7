"""What requests and replies look like. Types are strict: `true` is no number, `"24"` no horizon, NaN nothing at all."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

_MOST_FIELDS = 50
_FORBIDDEN_CATEGORIES = {"Cc", "Cs"}  # control characters and lone surrogates


class Schema(BaseModel):
    """Base of all schemas: strict types, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > _MOST_FIELDS:  # each would be an unknown field of its own
            raise ValueError(f"has {len(value)} fields")
        return value


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text):
        raise ValueError("must not hold control characters")
    return text


def _time_kind(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else value
    return _STEP if isinstance(first, int) else _TIME


# Marks of the two ways to say when; they choose which of them errors are about, and are not part of a field's name.
_TIME, _STEP = "<time>", "<step>"
TIME_KINDS = frozenset({_TIME, _STEP})

Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_printable)]
# Year first, as in ISO 8601: any other order of day and month could be read in two ways.
Time = Annotated[StrictStr, Field(max_length=40, pattern="^[0-9]{4}")]
Level = Annotated[float, Field(gt=0.0, lt=1.0)]
Start = Annotated[Annotated[Time, Tag(_TIME)] | Annotated[StrictInt, Tag(_STEP)], Discriminator(_time_kind)]
Timestamps = Annotated[
    Annotated[list[Time], Field(fail_fast=True), Tag(_TIME)]
    | Annotated[list[StrictInt], Field(fail_fast=True), Tag(_STEP)],
    Discriminator(_time_kind),
]


class SeriesIn(Schema):
    """The history of one series: values at `timestamps`, or at regular steps from `start` on. null is missing."""

    id: Name
    start: Start | None = Field(None, description="ISO 8601 time of the first value, or its step number.")
    timestamps: Timestamps | None = Field(None, description="One for each value, ascending.")
    target: list[float | None] = Field(min_length=1, fail_fast=True)

    @model_validator(mode="after")
    def _one_time_base(self) -> Self:
        if (self.start is None) == (self.timestamps is None):
            raise ValueError("needs either start or timestamps")
        if self.timestamps is not None and len(self.timestamps) != len(self.target):
            raise ValueError(f"has {len(self.timestamps)} timestamps for {len(self.target)} values")
        return self


class ForecastRequest(Schema):
    """What to forecast, with which model, how far and at which quantile levels."""

    model: Name | None = Field(None, description="Registered name. May be left out while one model is served.")
    horizon: int | None = Field(None, ge=1, le=4096, description="Steps to forecast. Default: the model's longest.")
    frequency: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        None, description="Frequency of the series, such as h, D, W-SUN, MS. Default: the model's."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="IANA zone: times without an offset are read in it, and replies are given in it."
    )
    quantiles: list[Level] | None = Field(None, min_length=1, max_length=99, description="Default: the model's.")
    series: list[SeriesIn] = Field(min_length=1, fail_fast=True)


class ModelRef(Schema):
    """Which version gave an answer."""

    name: str
    version: str
    digest: str = Field(description="SHA-256 of the bundle's manifest.")


class DataWarning(Schema):
    """Something about the input that the caller should know."""

    code: str
    message: str


class ForecastOut(Schema):
    """The forecast of one series: per quantile level as many values as timestamps."""

    id: str
    timestamps: list[str] | list[int]
    quantiles: dict[str, list[float]]
    warnings: list[DataWarning]


class ForecastReply(Schema):
    """Forecasts in the order of the request, all by one version of one model."""

    model: ModelRef
    forecasts: list[ForecastOut]


class Problem(Schema):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = []


class ModelDescription(Schema):
    """A served model: its version and what it can do."""

    name: str
    version: str
    digest: str
    frequency: str
    horizon: int
    context_length: int
    levels: list[float]
    head: str
    calibrated: bool
    covariates: dict[str, list[str]] = Field(description="What it reads beside the target: names by kind.")
    num_parameters: int
    runtime: dict[str, object] = Field(
        description="What executes it, and the milliseconds that were measured by batch."
    )
    libraries: dict[str, str]
    training: dict[str, str | int | float | None]


class ModelList(Schema):
    """All served models."""

    models: list[ModelDescription]
