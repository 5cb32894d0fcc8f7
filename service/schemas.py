"""What requests and replies look like. Types are strict: `true` is no number, `"24"` no horizon, NaN nothing at all."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self

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
_MOST_STEPS = 1_000_000
_MOST_COLUMNS = 50
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
# Year first, as in ISO 8601: any other order of day and month could be read in two ways. Printable ASCII alone.
Time = Annotated[StrictStr, Field(max_length=40, pattern="^[0-9]{4}[ -~]*$")]
Level = Annotated[float, Field(gt=0.0, lt=1.0)]
Percent = Annotated[float, Field(gt=0.0, lt=100.0)]
Start = Annotated[Annotated[Time, Tag(_TIME)] | Annotated[StrictInt, Tag(_STEP)], Discriminator(_time_kind)]
Timestamps = Annotated[
    Annotated[list[Time], Field(fail_fast=True), Tag(_TIME)]
    | Annotated[list[StrictInt], Field(fail_fast=True), Tag(_STEP)],
    Discriminator(_time_kind),
]


Column = Annotated[list[float | None], Field(max_length=_MOST_STEPS, fail_fast=True)]
Columns = Annotated[dict[Name, Column], Field(max_length=_MOST_COLUMNS)]
Text = Annotated[StrictStr, Field(max_length=256)]
Attribute = Text | StrictInt | float | None


class TimedValues(Schema):
    """Values of one series, at `timestamps` or at regular steps from `start` on. null is missing."""

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


class SeriesIn(TimedValues):
    """The history of one series, and what is known beside it."""

    past: Columns = Field(
        default_factory=dict, description="Covariates known up to the last value, by name: one number for each value."
    )
    known: Columns = Field(
        default_factory=dict,
        description="Covariates known ahead, by name: one number for each value, then one for each step ahead.",
    )
    static: dict[Name, Attribute] = Field(
        default_factory=dict,
        max_length=_MOST_COLUMNS,
        description="What holds of the whole series, by name: numbers, or texts.",
    )
    group: Name | None = Field(None, description="Series of one group see each other, in models that were so trained.")

    @property
    def num_points(self) -> int:
        """Numbers in the history and the covariates together."""
        return len(self.target) + sum(len(column) for kind in (self.past, self.known) for column in kind.values())


class SamplesIn(Schema):
    """How many joint scenarios to draw of each series, and from which seed."""

    number: int = Field(ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=1 << 31)


class ModelOptions(Schema):
    """Which model is asked, and how the times of the series are meant."""

    model: Name | None = Field(
        None, description="NAME, NAME@alias, NAME/version or zero-shot. May be left out while one is served, or none."
    )
    frequency: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        None, description="Of the series, such as h, D, W-SUN, MS. Default: the model's; what times say if that is any."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="IANA zone: times without an offset are read in it, and replies are given in it."
    )


class QuantileOptions(ModelOptions):
    """How far a forecast reaches, and at which quantile levels."""

    horizon: int | None = Field(None, ge=1, le=4096, description="Steps to forecast. Default: the model's longest.")
    quantiles: list[Level] | None = Field(None, min_length=1, max_length=99, description="Default: the model's.")
    intervals: list[Percent] = Field(
        default_factory=list,
        max_length=20,
        description="Central prediction intervals, in percent: 80 is from quantile 0.1 to 0.9.",
    )


class ForecastOptions(QuantileOptions):
    """What is asked of the series: of which model, how far and at which quantile levels."""

    samples: SamplesIn | None = Field(None, description="Joint scenarios to draw. Default: none.")
    roll_out: bool = Field(False, description="Allows a horizon beyond the model's: it goes on from its own forecasts.")
    adapt: bool | None = Field(
        None,
        description="Online conformal: intervals follow how the last ones came true. Default: as the service is set.",
    )
    segment: Name | None = Field(None, description="Kept with the forecast: live skill is told apart by it.")
    fallback: Literal["none", "seasonal_naive"] = Field(
        "none", description="What answers, marked as degraded, where the model cannot in time or gives no numbers."
    )


class ForecastRequest(ForecastOptions):
    """What to forecast, with which model, how far and at which quantile levels."""

    series: list[SeriesIn] = Field(min_length=1, fail_fast=True)

    @property
    def num_points(self) -> int:
        """Numbers of all series together."""
        return sum(series.num_points for series in self.series)


class ModelRef(Schema):
    """Which version gave an answer."""

    name: str
    version: str
    digest: str = Field(description="SHA-256 of the bundle's manifest.")
    generation: int = Field(description="Grows with every change of version behind the name; never goes back.")


class DataWarning(Schema):
    """Something about the input that the caller should know."""

    code: str
    message: str


class Interval(Schema):
    """Ends of a central prediction interval, per step."""

    lower: list[float]
    upper: list[float]


class ForecastOut(Schema):
    """The forecast of one series: per quantile level, interval and scenario as many values as timestamps."""

    id: str
    timestamps: list[str] | list[int]
    quantiles: dict[str, list[float]]
    intervals: dict[str, Interval] = Field({}, description="By percent; left out where none were asked for.")
    samples: list[list[float]] = Field([], description="Scenario by scenario; left out where none were asked for.")
    adapted_by: Literal["series", "model", "none"] | None = Field(
        None, description="Whose factor its intervals have; left out where none was asked for."
    )
    warnings: list[DataWarning]


class ForecastReply(Schema):
    """Forecasts in the order of the request, all by one version of one model."""

    id: str | None = Field(None, description="By which the forecast can be fetched; left out where it is not kept.")
    model: ModelRef
    degraded: str | None = Field(None, description="Why a fallback answered; left out where the model did.")
    adaption_revision: int | None = Field(
        None, description="Number of the factors; left out where none were asked for."
    )
    forecasts: list[ForecastOut]


class Problem(Schema):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    errors: list[dict[str, str]] = []


class Refusal(Schema):
    """Why the version that the registry names is not in service."""

    version: str | None = Field(description="null where the registry has none.")
    code: str
    reason: str
    retry_in_seconds: float | None = Field(None, ge=0, description="null: with the next look at the registry.")


class ModelDescription(Schema):
    """A served model: its version and what it can do."""

    spec: str = Field(description="What is followed or pinned: NAME@alias or NAME/7.")
    name: str
    version: str
    digest: str
    generation: int = Field(description="Grows by one with every swap to another version.")
    serving_seconds: float = Field(ge=0, description="Since this process swapped it in.")
    desired: str | None = Field(description="Version that the registry names; null if it has none or was not seen yet.")
    refused: Refusal | None = Field(description="Why the desired version does not serve, if it does not.")
    differing_libraries: dict[str, str] = Field(
        description="Libraries that the service runs in another version than the bundle was made with."
    )
    contract_changes: dict[str, str] = Field(description="What differs from the version that served before.")
    frequency: str = Field(description="`any`: that of each request.")
    horizon: int
    context_length: int
    levels: list[float]
    head: str
    calibrated: bool
    covariates: dict[str, list[str]] = Field(description="What it reads beside the target: names by kind.")
    reads_groups: bool = Field(description="Whether series of one `group` see each other.")
    num_parameters: int
    runtime: dict[str, object] = Field(description="What executes it, and the milliseconds measured by batch.")
    libraries: dict[str, str]
    training: dict[str, str | int | float | bool | None]


class WaitingModel(Schema):
    """A spec that no version serves yet, and why."""

    spec: str
    desired: str | None
    refused: Refusal | None


class Refreshed(Schema):
    """What a look at the registry came to."""

    registry: Literal["up", "down", "never-seen"]
    swapped: list[str] = Field(description="Specs that another version serves now.")
    failed: dict[str, str] = Field(description="Specs whose version was refused or could not be had, with the code.")


class RegistryState(Schema):
    """Whether the registry answers. While it does not, what serves goes on serving."""

    status: Literal["up", "down", "never-seen"]
    seconds_since_success: float | None = Field(ge=0, description="null: never since the start.")


class ModelList(Schema):
    """All served models, those that are waited for, and how the registry is."""

    models: list[ModelDescription]
    waiting: list[WaitingModel]
    registry: RegistryState
