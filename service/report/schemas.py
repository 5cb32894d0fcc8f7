"""What a request for a data report and its reply look like."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.schemas import DataWarning, Schema, TimedValues


class ReportRequest(Schema):
    """Series to be read as a forecast would read them, by no model."""

    frequency: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        None, description="Frequency of the series. Default: what their timestamps say."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="IANA zone in which times without an offset are read."
    )
    series: list[TimedValues] = Field(min_length=1, fail_fast=True)

    @property
    def num_points(self) -> int:
        """Values of all series together."""
        return sum(len(series.target) for series in self.series)


class SeriesReport(Schema):
    """One series as it is read: regular steps, as many values as timestamps."""

    id: str
    timestamps: list[str] | list[int]
    target: list[float | None] = Field(description="null: missing, or a step without a row.")
    num_missing: int
    minimum: float | None
    maximum: float | None
    warnings: list[DataWarning]


class ReportReply(Schema):
    """How series are read, in the order of the request."""

    frequency: str
    frequency_inferred: bool
    season_length: int = Field(description="Steps of one natural cycle, by which the seasonal naive repeats.")
    timezone: str | None
    series: list[SeriesReport]
