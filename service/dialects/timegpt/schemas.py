"""What TimeGPT's clients are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field

from service.schemas import DataWarning, ModelRef, Problem, Schema

Bounds = dict[str, list[float | None]]


class KeyIsGood(Schema):
    """What a good key is told."""

    detail: str


class Spending(Schema):
    """Points x steps."""

    consumed: int = Field(ge=0, description="Spent, and not given back yet.")
    limit: int = Field(ge=0, description="What may be spent at once.")


class Usage(Schema):
    """What a key has spent. By the month nothing is counted."""

    minute: Spending


class ModelName(Schema):
    """A name that a request may have as model."""

    name: str


class ModelNames(Schema):
    """All of them."""

    models: list[ModelName]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Lists names."""
        return cls(models=[ModelName(name=name) for name in names])


class WindowSizes(Schema):
    """Steps of a window."""

    input_size: int
    horizon: int


class ModelSizes(Schema):
    """What the SDK asks a model first."""

    detail: WindowSizes


class SeriesNote(DataWarning):
    """Something about a series, by its number from 0, that the caller should know."""

    series: int


class Answered(Schema):
    """What all replies say."""

    intervals: Bounds | None = Field(description="`lo-80` and `hi-80`; null where none were asked for.")
    weights_x: None = None
    model: ModelRef
    warnings: list[SeriesNote]


class ForecastGiven(Answered):
    """h numbers for each series."""

    mean: list[float] = Field(description="Medians: the 0.5 quantile, as everywhere here.")
    feature_contributions: None = None


class OfHistory(Answered):
    """Numbers for steps of the series: `sizes` of each, at the places `idxs` among its values."""

    sizes: list[int]
    idxs: list[int]
    mean: list[float | None] = Field(description="Medians; null where there was no value to forecast from.")


class CrossValidated(OfHistory):
    """Forecasts of the past; of a whole history, all steps from the first forecast one on."""

    feature_contributions: None = None


class Judged(OfHistory):
    """Judgements of all steps from the first judged one on."""

    anomaly: list[bool] = Field(description="True outside the interval; false for a missing value.")


class JudgedOnline(Judged):
    """Judgements of the last steps."""

    anomaly_score: list[float | None] = Field(
        description="Distance from the median in half widths of the interval on that side: above 1 outside it."
    )
    accumulated_anomaly_score: list[float | None] | None = Field(
        description="Of all series together, above 1 where that is an anomaly; with threshold_method multivariate."
    )


class JobTaken(Schema):
    """A job that was taken in."""

    job_id: str


class JobGiven(Schema):
    """How far a job is."""

    job_id: str
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    result: dict[str, Any] | None = Field(description="What its route answers at once; null before it has succeeded.")
    error: Problem | None = Field(description="What it ran into, where it failed.")


class JobCancelled(Schema):
    """A job that was cancelled."""

    job_id: str
    status: Literal["cancelled"]


class Trained(Schema):
    """A model that was fine-tuned."""

    finetuned_model_id: str


class FinetunedModel(Schema):
    """What is told of such a model."""

    id: str
    created_at: str
    created_by: str = Field(description="The id of the key that ordered it, or of the first that was rotated to it.")
    base_model_id: str = Field(description="What the training began with: NAME/version.")
    steps: int = Field(description="Steps of training that were ordered.")
    depth: int
    loss: Literal["default"]
    model: str
    freq: str


class FinetunedModels(Schema):
    """Those of the key that asks, by name."""

    finetuned_models: list[FinetunedModel]
