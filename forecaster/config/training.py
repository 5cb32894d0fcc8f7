"""Settings of training: how the weights are found, and on which part of the data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from forecaster.config.base import Config


class TrainingConfig(Config):
    """How the weights are found."""

    max_steps: int = Field(2000, ge=1)
    batch_size: int = Field(128, ge=1, le=65536, description="Windows per step.")
    accumulate_batches: int = Field(
        1,
        ge=1,
        le=1024,
        description="Parts that the windows of a step are computed in, one after the other: the step stays the same, "
        "and needs the memory of one part.",
    )
    num_processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that share the windows of each step: on this machine, or those of a launcher.",
    )
    learning_rate: float = Field(1e-3, gt=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    warmup_fraction: float = Field(0.05, ge=0, lt=1, description="Share of max_steps with a rising rate.")
    final_rate_fraction: float = Field(0.01, ge=0, le=1, description="Where the cosine ends, of the peak rate.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    steps_per_validation: int = Field(100, ge=1)
    patience: int = Field(10, ge=1, description="Validations without a gain before training stops.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the hardware multiplies it natively, else float32."
    )
    compile: bool = Field(False, description="True: the training step is compiled, which pays off in long runs.")
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the averaged weights that a step keeps, from 0.1 rising to this. The average is what "
        "is validated and kept. Default: no averaging.",
    )
    num_members: int = Field(
        1, ge=1, le=64, description="Networks trained with seed, seed + 1, ..., which answer as one."
    )
    min_context: int | None = Field(
        None,
        ge=1,
        description="Fewest visible steps of a training window, where the series has them: the spread of a few steps "
        "is no measure of what follows. Default: the horizon, at most half of context_length.",
    )
    series_weighting: Literal["window", "series"] = Field(
        "window", description="What is drawn equally often: every window, or every series."
    )
    recency_half_life: int | None = Field(
        None,
        ge=1,
        description="Steps back from the last training window of a series that halve how often a window is drawn. "
        "Default: all of a series equally often.",
    )
    augmentations: tuple[Literal["flip"], ...] = Field(
        (), description="Changes made to random training windows. flip: values are turned upside down."
    )
    refit: bool = Field(
        False,
        description="True: once the best number of steps and the calibration are known, train again for as many steps, "
        "on the validation folds too.",
    )
    calibration: Literal["conformal", "off"] = Field(
        "conformal",
        description="conformal: one factor for all intervals of a step, by which the one nearest to 80 % covers that "
        "share of the validation folds, drawn towards 1 where windows are few. Other intervals follow it.",
    )
    seed: int = Field(0, ge=0, lt=2**31)
    num_threads: int | None = Field(
        None, ge=1, description="Threads of torch in each process. Default: those that there are, shared out."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = self.accumulate_batches * self.num_processes
        if parts > self.batch_size:
            raise ValueError(f"batch_size {self.batch_size} cannot be shared by {parts} parts: a part needs a window")
        if len(set(self.augmentations)) < len(self.augmentations):
            raise ValueError(f"augmentations are named once each, got {list(self.augmentations)}")
        return self


class SplitConfig(Config):
    """Which ends of the series are kept away from training.

        |---- training ----|- validation folds -|- test folds -|

    Validation steers early stopping; the test folds are seen by the backtest only.
    """

    num_validation_folds: int = Field(2, ge=1, le=100_000)
    num_test_folds: int = Field(3, ge=0, le=100_000)
    step: int | None = Field(None, ge=1, description="Steps between two cutoffs. Default: the horizon.")
