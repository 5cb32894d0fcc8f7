"""What clients of TimeGPT send. What has another meaning there than here, or none here, is refused where it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr, field_validator

from service.finetune.schemas import TunedName
from service.schemas import Name, Percent, Schema, Time

_MOST_STEPS = 1_000_000
_MOST_FEATURES = 100
_MOST_LEVELS = 200  # of which most are the same, where the SDK makes them of quantiles

Count = Annotated[StrictInt, Field(ge=1, le=_MOST_STEPS)]
Horizon = Annotated[StrictInt, Field(ge=1, le=4096)]
Values = Annotated[list[float | None], Field(min_length=1, fail_fast=True)]
Features = Annotated[list[Values], Field(max_length=_MOST_FEATURES, fail_fast=True)]
Positions = Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(max_length=_MOST_FEATURES)]
Levels = Annotated[list[Annotated[float, Field(ge=0, lt=100)]], Field(max_length=_MOST_LEVELS)]
Frequency = Annotated[str, Field(min_length=1, max_length=20)]


class SeriesSent(Schema):
    """All series, one after the other: `sizes` says how long each is. They have no ids."""

    categorical_exog: list[int] | None = Field(None, description="Must be empty: no model here reads such features.")
    y: Values = Field(description="Values of all series. null is missing.")
    sizes: list[Count] = Field(min_length=1, fail_fast=True, description="Values of each series.")
    X: Features | None = Field(None, description="Exogenous features: one number for each value, those ahead first.")
    X_future: Features | None = Field(None, description="Those known ahead: h numbers for each series.")
    start_datetime: list[Time] | None = Field(None, description="ISO 8601 time of the first value of each series.")

    @field_validator("categorical_exog")
    @classmethod
    def _has_none(cls, value: list[int] | None) -> list[int] | None:
        if value:
            raise ValueError("must be empty: models read categories of whole series alone, and POST /v1/forecast them")
        return value


class Parameters(Schema):
    """What the SDK has no argument for, and lets `model_parameters` say."""

    exogenous: list[Name] | None = Field(
        None, max_length=_MOST_FEATURES, description="Names of the exogenous features, in the order in which they come."
    )
    min_context: Count | None = Field(None, description="Steps that a forecast of the past must see.")


class Sent(Schema):
    """What all requests have."""

    series: SeriesSent
    model: Name = Field(description="A model in service, or one of TimeGPT's names: then that of the frequency.")
    freq: Frequency = Field(description="An alias of pandas: that of the model.")
    multivariate: bool = Field(False, description="Series see each other, in models that were so trained.")
    clean_ex_first: bool = Field(True, description="Means the same either way: exogenous features are read as sent.")
    finetuned_model_id: TunedName | None = Field(
        None, description="A model that the key that asks has fine-tuned: it answers in the place of `model`."
    )
    model_parameters: Parameters | None = None

    @property
    def named(self) -> str:
        """The name of the model that is to answer."""
        return self.finetuned_model_id or self.model


class FineTuned(Sent):
    """What requests have that TimeGPT would fine-tune a model for."""

    finetune_steps: StrictInt = Field(0, ge=0, description="Must be 0.")
    finetune_depth: StrictInt = Field(1, ge=1, le=5, description="Of fine-tuning, which there is none of.")
    finetune_loss: StrictStr = Field("default", max_length=20, description="Of fine-tuning, which there is none of.")
    feature_contributions: bool = Field(False, description="Must be false.")
    feature_contributions_type: StrictStr | None = Field(None, max_length=40)

    @field_validator("finetune_steps")
    @classmethod
    def _is_zero(cls, value: int) -> int:
        if value:
            raise ValueError("must be 0: a request is forecast by the model as it is; finetune() trains one first")
        return value

    @field_validator("feature_contributions")
    @classmethod
    def _is_false(cls, value: bool) -> bool:
        if value:
            raise ValueError("must be false: there are no Shapley values here; POST /v1/explain attributes a forecast")
        return value


class ForecastSent(FineTuned):
    """POST /v2/forecast: what follows each series."""

    h: Horizon
    level: Levels | None = None


class RollingSent(FineTuned):
    """What requests about the known course of series have."""

    h: Horizon
    step_size: Count | None = None
    hist_exog: Positions | None = Field(None, description="Places in X of what is known up to the cutoff alone.")
    refit: bool = Field(True, description="Of fine-tuning, which there is none of.")


class CrossValidationSent(RollingSent):
    """POST /v2/cross_validation: forecasts of the last steps of each series, or of its whole history."""

    n_windows: Count = 1
    level: Levels | None = None
    full_history: bool = Field(False, description="h, step_size and n_windows are not read then.")


class AnomaliesSent(Sent):
    """POST /v2/anomaly_detection: which values of the whole history are strange."""

    level: Percent = 99.0


class OnlineSent(RollingSent):
    """POST /v2/online_anomaly_detection: which of the last values are strange."""

    detection_size: Count
    threshold_method: Literal["univariate", "multivariate"] = "univariate"
    level: Percent = 99.0


class JobOptions(Schema):
    """How a job is to be done."""

    timeout_seconds: Count | None = Field(None, description="Seconds that it may be computed.")


class OfJobs(Schema):
    """What a request has only where it is answered later."""

    job_options: JobOptions | None = None


class ForecastJob(ForecastSent, OfJobs):
    """POST /v2/forecast/async."""


class CrossValidationJob(CrossValidationSent, OfJobs):
    """POST /v2/cross_validation/async."""


class OnlineJob(OnlineSent, OfJobs):
    """POST /v2/anomaly_detection/async: which of the last values are strange."""


class FinetuneSent(Sent):
    """POST /v2/finetune: a model that is trained further on these series."""

    finetune_steps: StrictInt = Field(10, ge=1, le=100_000, description="Steps of training.")
    finetune_depth: StrictInt = Field(1, ge=1, le=5, description="How much of the model is trained; 5: everything.")
    finetune_loss: StrictStr = Field("default", max_length=20, description="Must be default: the loss of quantiles.")
    output_model_id: TunedName | None = Field(None, description="Name of the result. Default: one that is made up.")
    job_options: JobOptions | None = Field(None, description="Must be null: steps alone bound a training.")

    @field_validator("finetune_loss")
    @classmethod
    def _is_default(cls, value: str) -> str:
        if value != "default":
            raise ValueError("must be default: models here learn their quantiles, of which other losses know nothing")
        return value

    @field_validator("job_options")
    @classmethod
    def _is_null(cls, value: JobOptions | None) -> JobOptions | None:
        if value is not None:
            raise ValueError("must be null: finetune_steps bound a training, and no time does")
        return value
