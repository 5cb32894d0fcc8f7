"""The group `tune` of a config: which settings are tried, and how often."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecaster.config import Config


class _Range(Config):
    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = getattr(self, "low", 0), getattr(self, "high", 1)
        if low >= high:
            raise ValueError(f"low {low:g} must be below high {high:g}")
        return self


class Uniform(_Range):
    """A number between two, each as likely."""

    kind: Literal["uniform"]
    low: float
    high: float


class LogUniform(_Range):
    """A number between two, each order of magnitude as likely."""

    kind: Literal["log_uniform"]
    low: float = Field(gt=0)
    high: float


class Integer(_Range):
    """A whole number between two, both included; with `log` each order of magnitude as likely."""

    kind: Literal["integer"]
    low: int = Field(ge=0)
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _check_log(self) -> Self:
        if self.log and self.low < 1:
            raise ValueError(f"low must be 1 or more where log is true, got {self.low}")
        return self


class Choice(Config):
    """One of several values, of any kind that the setting takes."""

    kind: Literal["choice"]
    values: tuple[Any, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        repeated = [value for place, value in enumerate(self.values) if value in self.values[:place]]
        if repeated:
            raise ValueError(f"values holds {repeated[0]!r} more than once")
        return self


Dimension = Annotated[Uniform | LogUniform | Integer | Choice, Field(discriminator="kind")]


class TuneConfig(Config):
    """What `tune` tries on the validation folds, and how it ends.

    A study is known by everything here but its budget (`num_trials`, `time_limit_seconds` and `num_seeds`): with a
    larger one it goes on.
    """

    space: dict[str, Dimension] = Field({}, description="By dotted name, such as training.learning_rate.")
    num_trials: int = Field(30, ge=1, le=100_000, description="Draws from the space, besides the config as it is.")
    time_limit_seconds: float | None = Field(
        None, gt=0, description="After this no trial begins any more. Default: all trials."
    )
    metric: Literal["mase", "smape", "wql"] = Field("mase", description="What is to be low on the validation folds.")
    pruning: Literal["median", "off"] = Field(
        "median",
        description="median: a trial ends early whose best so far is above the median of what others had then.",
    )
    num_unpruned_trials: int = Field(5, ge=1, description="Whole trials before the first one can end early.")
    num_unpruned_steps: int = Field(0, ge=0, description="Optimiser steps that every trial is trained for.")
    num_seeds: int = Field(
        3, ge=1, le=100, description="Trainings of the config and of the best trial, for the comparison at the end."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Of the draws.")
