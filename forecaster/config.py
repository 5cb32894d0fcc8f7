"""All settings of the library: frozen, validated models, one per concern, each default written here once.

`None` means "chosen from the data by the rule that the field's description states"; `resolved` applies
those rules, and what it returns is what is logged and saved. Unknown keys are refused.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Level = Annotated[float, Field(gt=0.0, lt=1.0)]

DEFAULT_LEVELS: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Config(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TableConfig(Config):
    """How a table of series is laid out, and which repairs the caller allows."""

    layout: Literal["auto", "long", "wide"] = Field(
        "auto",
        description="long: one row per series and timestamp; wide: one column per series. "
        "auto reads a table that has the target column as long, any other as wide.",
    )
    id_column: str = Field(
        "unique_id", description="A long table without a column of the default name holds one unnamed series."
    )
    time_column: str | None = Field(
        None,
        description="Default: 'ds' in a long table; in a wide one the only column that holds timestamps, "
        "or none, in which case rows are counted as integer steps.",
    )
    target_column: str = "y"
    frequency: str | None = Field(None, description="A pandas offset alias, or 'step'. Inferred when absent.")
    expected_frequency: str | None = Field(
        None,
        description="What to read a table with that names no `frequency`, instead of inferring one: that of a model. "
        "A table in which no row follows another by one such step is refused.",
    )
    timezone: str | None = Field(
        None, description="IANA zone in which timestamps without an offset are read. Default: they stay naive."
    )
    duplicates: Literal["refuse", "first", "last", "mean"] = Field(
        "refuse", description="What to do with several rows for one timestamp of one series."
    )
    unsorted: Literal["refuse", "sort"] = Field(
        "refuse", description="What to do when the timestamps of a series do not ascend."
    )
    infinite: Literal["refuse", "missing"] = Field("refuse", description="What to do with +/- infinity.")


class ModelConfig(Config):
    """The shape of the network. Tensor axes: B batch, L context, H horizon, P patch, N patches, D width."""

    horizon: int = Field(24, ge=1, le=4096, description="Longest forecast in steps (H).")
    context_length: int | None = Field(
        None,
        ge=2,
        le=16384,
        description="Steps of history seen (L). Default: max(8 seasons, 4 horizons, 64), at most 512 and at "
        "most the longest series, rounded up to whole patches.",
    )
    patch_length: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Steps per token (P). Default: 16 from L = 256 on, else 8; for a given L its next lower divisor.",
    )
    d_model: int = Field(128, ge=4, le=4096, description="Width of a token (D).")
    num_heads: int = Field(4, ge=1, le=64)
    num_layers: int = Field(3, ge=1, le=64)
    d_ff: int = Field(256, ge=4, le=16384, description="Width of the feed-forward layer.")
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "rotary"
    causal: bool = Field(False, description="True: a token attends only to itself and to earlier tokens.")
    head: Literal["quantile", "student_t"] = "quantile"
    levels: tuple[Level, ...] = Field(
        DEFAULT_LEVELS, min_length=1, max_length=99, description="Quantile levels, ascending (Q)."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.d_model % self.num_heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of num_heads {self.num_heads}")
        if self.positions == "rotary" and (self.d_model // self.num_heads) % 2:
            raise ValueError("rotary positions need an even width per head (d_model / num_heads)")
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(f"sinusoidal positions need an even d_model, got {self.d_model}")
        if any(low >= high for low, high in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"levels must ascend strictly, got {list(self.levels)}")
        if self.context_length and self.patch_length and self.context_length % self.patch_length:
            raise ValueError(
                f"context_length {self.context_length} is not a multiple of patch_length {self.patch_length}"
            )
        return self

    def resolved(self, season_length: int, longest: int) -> ModelConfig:
        """Gives this config with no `None` left, for data of that season and longest series (in steps)."""
        wanted = self.context_length or min(512, longest, max(8 * season_length, 4 * self.horizon, 64))
        patch = self.patch_length or self._patch_dividing(wanted)
        context = self.context_length or math.ceil(wanted / patch) * patch
        return ModelConfig(**{**self.model_dump(), "context_length": context, "patch_length": patch})

    def _patch_dividing(self, context: int) -> int:
        patch = 16 if context >= 256 else 8
        if self.context_length is None:
            return patch
        return next(p for p in range(min(patch, context), 0, -1) if context % p == 0)


class TrainingConfig(Config):
    """How the weights are found."""

    max_steps: int = Field(2000, ge=1)
    batch_size: int = Field(128, ge=1, le=65536, description="Windows per step.")
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
    calibration: Literal["conformal", "off"] = Field(
        "conformal", description="conformal: make coverage true on the validation folds, per step and level."
    )
    seed: int = Field(0, ge=0, lt=2**31)
    num_threads: int | None = Field(None, ge=1, description="Threads of torch. Default: left as it is.")


class SplitConfig(Config):
    """Which ends of the series are kept away from training.

        |---- training ----|- validation folds -|- test folds -|

    Validation steers early stopping; the test folds are seen by the backtest only.
    """

    num_validation_folds: int = Field(2, ge=1, le=1000)
    num_test_folds: int = Field(3, ge=0, le=1000)
    step: int | None = Field(None, ge=1, description="Steps between two cutoffs. Default: the horizon.")


class ForecasterConfig(Config):
    """Everything `Forecaster.fit` needs besides the data."""

    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()
