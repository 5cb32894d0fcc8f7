"""What requests to the ledger and its replies look like."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.schemas import ModelRef, Name, Schema, TimedValues


class ActualsIn(Schema):
    """What happened: values of series that were, or will be, forecast. null takes a value back."""

    model: Name | None = Field(
        None, description="Whose forecasts of these series are meant, as in a forecast. All its versions are."
    )
    frequency: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        None, description="Frequency of the series, such as h, D, W-SUN, MS. Default: the model's."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="IANA zone: times without an offset are read in it. As in the forecasts that are meant."
    )
    series: list[TimedValues] = Field(min_length=1, fail_fast=True)

    @property
    def num_points(self) -> int:
        """Values of all series together."""
        return sum(len(series.target) for series in self.series)


class ActualsReply(Schema):
    """What was taken in, and is not lost any more."""

    values: int


class OutcomeOut(Schema):
    """What came of the forecast of one series, by what is observed of it until now."""

    id: str
    num_observed: int = Field(description="Steps that are observed.")
    mase: float | None
    naive_mase: float | None = Field(description="Of the seasonal naive, over the same steps.")
    num_within: int | None = Field(description="Observed steps inside the central 80 % interval.")


class ForecastOutcome(Schema):
    """What came of a forecast."""

    id: str
    created: str
    model: ModelRef
    degraded: str | None
    series: list[OutcomeOut]


class SkillOut(Schema):
    """How good the forecasts of a version turned out to be: means over forecasts of single series."""

    model: str
    version: str
    segment: str
    num_forecasts: int = Field(description="Forecasts of single series of which a step was observed.")
    num_observed: int = Field(description="Steps that were observed.")
    mase: float | None
    naive_mase: float | None = Field(description="Of the seasonal naive, over the same steps.")
    relative_mase: float | None = Field(description="Both divided: below 1 is better than the seasonal naive.")
    coverage_80: float | None = Field(description="Share of observed steps inside the central 80 % interval.")


class SkillReply(Schema):
    """One row for each model, version and segment."""

    skill: list[SkillOut]
