"""Settings of pretraining: on which synthetic windows, and by which schedule."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from forecaster.config.base import Config
from forecaster.config.cycles import NUM_LAGS, Cycles
from forecaster.config.model import ModelConfig

# What the pretrained encoder is called where models have names.
ZERO_SHOT = "zero-shot"


def _pretrained_model() -> ModelConfig:
    return ModelConfig(
        horizon=64,
        context_length=1024,
        patch_length=16,
        season_length=1,
        d_model=128,
        num_heads=4,
        num_layers=4,
        d_ff=512,
        dropout=0.0,
        norm="rms",
        decoder="queries",
        skip="none",
        lags=Cycles().lags,
    )


class PretrainingConfig(Config):
    """How a network is trained on series that are made up as it goes, none of them seen twice."""

    model: ModelConfig = Field(
        default_factory=_pretrained_model,
        description="Its context_length and horizon are the longest that are trained; its weights serve shorter ones.",
    )
    min_context: int = Field(16, ge=16, description="Shortest context that is drawn, in steps.")
    min_horizon: int = Field(6, ge=1, description="Shortest horizon that is drawn, in steps.")
    max_steps: int = Field(20_000, ge=1)
    num_orders: int = Field(8, ge=1, description="Frequencies and lengths that the windows of one step come from.")
    windows_per_order: int = Field(32, ge=8, description="Windows of each of them: together the batch of a step.")
    steps_per_block: int = Field(16, ge=1, description="Steps whose windows are made at once, which is faster.")
    learning_rate: float = Field(2e-3, gt=0, lt=1)
    weight_decay: float = Field(0.05, ge=0)
    warmup_steps: int = Field(500, ge=1, description="Steps with a rising rate.")
    decay_fraction: float = Field(0.3, gt=0, le=1, description="Share of max_steps at the end with a falling rate.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    ema_decay: float = Field(0.999, gt=0, lt=1, description="Share of the averaged weights that a step keeps.")
    steps_per_validation: int = Field(200, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the hardware multiplies it natively, else float32."
    )
    seed: int = Field(0, ge=0, lt=2**31)
    num_threads: int | None = Field(None, ge=1, description="Threads of torch. Default: those that there are.")
    num_workers: int = Field(0, ge=0, description="Processes that make windows, for a GPU. 0: the one that trains.")

    @field_validator("model", mode="before")
    @classmethod
    def _filled(cls, model: Any) -> Any:
        """Lets settings that are not named be those of the encoder in the box, not those of any network."""
        return {**_pretrained_model().model_dump(), **model} if isinstance(model, dict) else model

    @model_validator(mode="after")
    def _check(self) -> Self:
        longest, patch = self.model.context_length, self.model.patch_length
        if longest is None or patch is None:
            raise ValueError("context_length and patch_length of the model must be set")
        if self.min_context > longest or self.min_context % patch:
            raise ValueError(f"min_context {self.min_context} must be whole patches of {patch}, at most {longest}")
        if self.min_horizon > self.model.horizon:
            raise ValueError(f"min_horizon {self.min_horizon} is above the horizon {self.model.horizon}")
        if not self.model.is_length_free:
            raise ValueError("the model must have decoder 'queries', no skip and no learned positions")
        if self.model.head != "quantile":
            raise ValueError(f"the model must have head 'quantile', got {self.model.head!r}")
        if len(self.model.resolved_lags) != NUM_LAGS:
            raise ValueError(f"the model must read {NUM_LAGS} lags, got {len(self.model.resolved_lags)}")
        return self._check_inputs()

    def _check_inputs(self) -> Self:
        """Refuses what synthetic windows do not have, and patches that a shorter context is no multiple of."""
        model = self.model
        if not model.reads_context_alone:
            raise ValueError("the model must read its context alone: no covariates, and no positions by time")
        if model.calendar != "off" or model.holidays is not None:
            raise ValueError(
                f"the model must have calendar 'off' and no holidays, got {model.calendar!r} and {model.holidays!r}"
            )
        if model.coarse_patch_length is not None:
            raise ValueError(f"the model must have no coarse_patch_length, got {model.coarse_patch_length}")
        return self
