"""What requests to the ledger and its replies look like."""

from __future__ import annotations

from pydantic import Field

from service.schemas import ModelOptions, ModelRef, Schema, TimedValues


class ActualsIn(ModelOptions):
    """What happened: values of series that were, or will be, forecast by any version of a model.

    null takes a value back. Times are read as those of the forecasts that are meant.
    """

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


class DriftOut(Schema):
    """How recent forecasts differ from earlier ones; null where either cannot be told. Of a few it says little."""

    num_forecasts: int = Field(description="Recent forecasts of single series.")
    relative_mase: float | None = Field(description="Of recent forecasts over that of earlier ones: above 1 is worse.")
    coverage_80: float | None = Field(description="Of recent forecasts, less that of earlier ones.")


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
    drift: DriftOut | None = Field(description="null where there are no recent forecasts, or no earlier ones.")


class SkillReply(Schema):
    """One row for each model, version and segment."""

    skill: list[SkillOut]
