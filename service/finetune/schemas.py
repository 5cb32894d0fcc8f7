"""What requests to fine-tune a model look like, and what is told of the models that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from forecaster.ledger.finetuned_names import PREFIX
from forecaster.ledger.ids import time_text
from service.model_spec import is_name
from service.schemas import ModelOptions, Schema, SeriesIn

if TYPE_CHECKING:
    from forecaster.ledger.finetuned import Tuned

_LONGEST_NAME = 100


def _of_a_tuned_model(name: str) -> str:
    if not (name.startswith(PREFIX) and len(name) > len(PREFIX) and is_name(name)):
        raise ValueError(f"must begin with {PREFIX} and have letters, digits, dots, dashes and underscores alone")
    return name


TunedName = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_of_a_tuned_model)]


class FinetuneRequest(ModelOptions):
    """Series to train a model further on. The result is a model of its own, for the key that asks alone."""

    series: list[SeriesIn] = Field(min_length=1, fail_fast=True)
    name: TunedName | None = Field(
        None, description=f"Of the model that comes of it; begins with {PREFIX}. Default: one that is made up."
    )
    max_steps: int = Field(200, ge=1, le=100_000, description="Steps of training; fewer where they gain nothing.")
    learning_rate: float = Field(3e-4, gt=0.0, le=0.1, description="The highest rate of the training.")
    trained_blocks: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Last blocks of the encoder that are trained, with what follows them. Default: everything.",
    )

    @property
    def num_points(self) -> int:
        """Numbers of all series together."""
        return sum(series.num_points for series in self.series)


class TunedModel(Schema):
    """A model that was fine-tuned, and how good it is on the steps that were held out."""

    name: str = Field(description="To be named as `model`.")
    created: str
    base: str = Field(description="What the training began with: NAME/version.")
    version: str
    digest: str
    frequency: str
    max_steps: int
    num_steps: int = Field(description="Steps of training up to the weights that were kept.")
    trained_blocks: int | None
    validation_loss: float
    metrics: dict[str, Any] | None = Field(
        description="Of the fine-tuned model, its base and the seasonal naive, on the same held-out steps; null where "
        "the series were too short to hold any out."
    )


class TunedList(Schema):
    """Models that the key that asks has fine-tuned, by name."""

    models: list[TunedModel]


def told(tuned: Tuned) -> TunedModel:
    """Gives what is told of a model."""
    outcome = tuned.outcome
    return TunedModel(
        name=tuned.name,
        created=time_text(tuned.created),
        base=f"{tuned.base}/{tuned.base_version}",
        version=outcome.version,
        digest=outcome.digest,
        frequency=tuned.frequency,
        max_steps=tuned.max_steps,
        num_steps=outcome.num_steps,
        trained_blocks=tuned.trained_blocks,
        validation_loss=outcome.validation_loss,
        metrics=None if outcome.metrics is None else dict(outcome.metrics),
    )
