"""What requests for an explanation and their replies look like. Bounds are those of what one request may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forecaster.explain import ExplainConfig
from service.schemas import DataWarning, ForecastRequest, ModelOptions, ModelRef, Schema, SeriesIn

_DEFAULTS = ExplainConfig()

Times = list[str] | list[int]


class ExplainRequest(ModelOptions):
    """Whose forecast is explained, and how thoroughly."""

    series: list[SeriesIn] = Field(min_length=1, max_length=1, fail_fast=True, description="One, as for a forecast.")
    step: int | None = Field(
        _DEFAULTS.step, ge=1, le=4096, description="Step of the horizon, from 1 on. Default: the mean over all."
    )
    num_path_points: int = Field(
        _DEFAULTS.num_path_points, ge=1, le=64, description="Points at which gradients are taken."
    )
    hidden_share: float = Field(
        _DEFAULTS.hidden_share, gt=0, lt=1, description="Share of patches or steps hidden to test an attribution."
    )
    num_random_draws: int = Field(
        _DEFAULTS.num_random_draws, ge=1, le=100, description="Random ones are hidden this many times."
    )
    seed: int = Field(_DEFAULTS.seed, ge=0, lt=1 << 31, description="Of the random ones.")
    attention: bool = Field(False, description="Whether the reply shall hold the attention of each layer and head.")

    def config(self) -> ExplainConfig:
        """Gives how thoroughly it is explained."""
        return ExplainConfig(**self.model_dump(include=set(ExplainConfig.model_fields)))

    def forecast_request(self) -> ForecastRequest:
        """Gives the request for the forecast that is explained."""
        return ForecastRequest(
            model=self.model, frequency=self.frequency, timezone=self.timezone, series=list(self.series)
        )


class TokensOut(Schema):
    """What the encoder looks at: runs of steps, those of the horizon among them."""

    first: Times
    last: Times
    num_steps: list[int]
    is_future: list[bool] = Field(description="true: after the end of the series.")
    attention_roll_out: list[float] = Field(description="How much each takes part in the forecast; sums to 1.")


class PatchesOut(Schema):
    """The context in runs of steps, and what each contributes to the number, in the unit of the data."""

    first: Times
    last: Times
    occlusion: list[float] = Field(description="The forecast minus the one without the patch.")
    gradients: list[float] = Field(description="The sum over its steps.")


class StepsOut(Schema):
    """The steps of the context, and what integrated gradients share out to each."""

    timestamps: Times
    gradients: list[float] = Field(description="Add up to forecast - flat_forecast, but for a small error.")


class FaithfulnessOut(Schema):
    """What hiding the parts with the largest attributions does, and what hiding random ones does on average."""

    num_hidden: int = Field(description="Parts hidden at a time: patches by occlusion, steps by gradients.")
    top_change: float = Field(description="How far the number moves, in the unit of the data.")
    random_change: float
    holds: bool = Field(description="true: what counts as important moves the forecast more than anything.")


class FaithfulnessOfBoth(Schema):
    """Whether each attribution is true to the model."""

    occlusion: FaithfulnessOut
    gradients: FaithfulnessOut


Rows = Annotated[list[list[float]], Field(description="Row: the token that looks; column: what it sees.")]


class ExplainReply(Schema):
    """Why one number of a forecast is what it is."""

    model: ModelRef
    id: str
    step: int | None = Field(description="null: the mean over the horizon.")
    first: str | int = Field(description="Timestamp of the first step that is explained.")
    last: str | int = Field(description="Timestamp of the last one.")
    forecast: float = Field(description="The number that is explained: the point forecast, for counts their mean.")
    flat_forecast: float = Field(description="What it would be for a context without ups and downs.")
    tokens: TokensOut
    patches: PatchesOut
    steps: StepsOut
    faithfulness: FaithfulnessOfBoth
    attention: list[list[list[Rows]]] = Field(
        [], description="By network, layer and head; left out where it is not asked for."
    )
    warnings: list[DataWarning]
