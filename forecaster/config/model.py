"""Settings of the network: its shape, its parts and what it forecasts."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecaster.config.base import Config
from forecaster.config.covariates import CovariateConfig
from forecaster.config.cycles import Cycles

Level = Annotated[float, Field(gt=0.0, lt=1.0)]
Lag = Annotated[int, Field(ge=0, le=16384)]

DEFAULT_LEVELS: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
POINT_HEADS = ("mse", "mae", "huber")
POINT_LEVELS = (0.5,)


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
    season_length: int | None = Field(
        None, ge=1, le=16384, description="Steps of the strongest cycle. Default: that of the frequency."
    )
    patch_length: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Steps per token (P). Default: 16 from L = 256 on, else 8; for a given L its next lower divisor.",
    )
    patch_stride: int | None = Field(
        None, ge=1, le=1024, description="Steps between the starts of two patches. Default: patch_length, no overlap."
    )
    coarse_patch_length: int | None = Field(
        None,
        ge=2,
        le=4096,
        description="Steps per token of a second, coarser resolution beside the first. Default: none.",
    )
    d_model: int = Field(64, ge=4, le=4096, description="Width of a token (D).")
    num_heads: int = Field(2, ge=1, le=64)
    num_layers: int = Field(2, ge=1, le=64)
    d_ff: int = Field(128, ge=4, le=16384, description="Width of the feed-forward layer.")
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    norm: Literal["layer", "rms"] = "layer"
    norm_placement: Literal["pre", "post"] = Field(
        "pre", description="Where a block normalises: before each of its parts, or after adding it."
    )
    feed_forward: Literal["relu", "gelu", "swiglu"] = "gelu"
    positions: Literal["sinusoidal", "learned", "rotary", "time", "none"] = Field(
        "rotary",
        description="How a token knows where it stands. time: rotary, by the time that has passed instead of by "
        "steps; they differ where steps do not last equally long (months, quarters, years, business days).",
    )
    causal: bool = Field(False, description="True: a token attends only to itself and to earlier tokens.")
    channels: Literal["independent", "group"] = Field(
        "independent", description="group: series of one group attend to each other at the same time."
    )
    scaling: Literal["mean_std", "robust", "asinh", "log", "off"] = Field(
        "mean_std",
        description="What is taken off each context: mean and deviation, or median and quartile distance; "
        "asinh also bends values far from the median. log: mean and deviation of the logarithms, where all values of "
        "a context are above 0; forecasts then are, too.",
    )
    lags: Literal["cycles"] | Annotated[tuple[Lag, ...], Field(max_length=16)] = Field(
        (),
        description="Cycles in steps: each step is shown the value of that many steps earlier too, the future that of "
        "the latest visible step of the same phase. 0: nothing. cycles: those that the frequency brings along.",
    )
    decoder: Literal["flattened", "queries"] = Field(
        "flattened",
        description="flattened: one map from all tokens to the horizon; queries: one token per future patch.",
    )
    skip: Literal["none", "ridge", "theta"] = Field(
        "ridge",
        description="A simple forecast that the encoder adds to. ridge: a linear map, by ridge regression, of the "
        "context and of the known covariates at the step that is forecast and a season earlier. theta: the method of "
        "that name.",
    )
    head: Literal["quantile", "student_t", "gaussian", "negative_binomial", "mse", "mae", "huber"] = Field(
        "quantile",
        description="The distribution that is forecast. negative_binomial: counts only. mse, mae and huber: a point "
        "forecast without a distribution.",
    )
    levels: tuple[Level, ...] = Field(
        DEFAULT_LEVELS,
        min_length=1,
        max_length=99,
        description="Quantile levels, ascending (Q), 0.5 among them. Default: 0.1 to 0.9, for a point forecast 0.5 "
        "alone. A forecast can be asked for at any level between them.",
    )
    calendar: Literal["auto", "off"] = Field(
        "off", description="auto: hour of day, day of week, month and the like, as far as the frequency has them."
    )
    holidays: str | None = Field(
        None, min_length=2, max_length=2, description="Country (ISO 3166-1 alpha-2) whose holidays the calendar shows."
    )
    covariates: CovariateConfig = Field(
        CovariateConfig(), description="Default: those that the data has, and the calendar."
    )

    @model_validator(mode="before")
    @classmethod
    def _point_level(cls, settings: Any) -> Any:
        """Gives a point head, where no levels are named, the only one it has."""
        if isinstance(settings, dict) and settings.get("head") in POINT_HEADS and "levels" not in settings:
            return {**settings, "levels": POINT_LEVELS}
        return settings

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.d_model % self.num_heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of num_heads {self.num_heads}")
        if self.positions in ("rotary", "time") and (self.d_model // self.num_heads) % 2:
            raise ValueError(f"{self.positions} positions need an even width per head (d_model / num_heads)")
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(f"sinusoidal positions need an even d_model, got {self.d_model}")
        if POINT_LEVELS[0] not in self.levels:
            raise ValueError(f"levels must hold {POINT_LEVELS[0]}, the point forecast, got {list(self.levels)}")
        if any(low >= high for low, high in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"levels must ascend strictly, got {list(self.levels)}")
        if self.head == "negative_binomial" and self.scaling == "log":
            raise ValueError("head 'negative_binomial' forecasts counts, which may be 0: scaling 'log' is not for it")
        if self.head in POINT_HEADS and self.levels != POINT_LEVELS:
            raise ValueError(f"head {self.head!r} forecasts level 0.5 alone, got levels {list(self.levels)}")
        return self._check_patches()

    def _check_patches(self) -> Self:
        context, patch = self.context_length, self.patch_length
        if context and patch and context % patch:
            raise ValueError(f"context_length {context} is not a multiple of patch_length {patch}")
        if patch and self.patch_stride and patch % self.patch_stride:
            raise ValueError(f"patch_length {patch} is not a multiple of patch_stride {self.patch_stride}")
        if context and self.coarse_patch_length and context % self.coarse_patch_length:
            raise ValueError(
                f"context_length {context} is not a multiple of coarse_patch_length {self.coarse_patch_length}"
            )
        return self

    @property
    def reads_elapsed(self) -> bool:
        """True where a forecast depends on how long the steps of its window last."""
        return self.positions == "time"

    @property
    def reads_context_alone(self) -> bool:
        """True where a window needs nothing beside the values of its context."""
        return self.covariates.is_empty and not self.reads_elapsed

    @property
    def resolved_lags(self) -> tuple[int, ...]:
        """The lags as numbers, once they are resolved; none before."""
        return () if self.lags == "cycles" else self.lags

    @property
    def is_length_free(self) -> bool:
        """True where no weight depends on context_length, horizon, season_length or how long the lags are."""
        return self.decoder == "queries" and self.skip == "none" and self.positions != "learned"

    def resolved(self, cycles: Cycles, longest: int) -> ModelConfig:
        """Gives this config with lengths and lags settled, for data of these cycles and longest series (in steps)."""
        season_length = self.season_length or cycles.season
        wanted = self.context_length or min(512, longest, max(8 * season_length, 4 * self.horizon, 64))
        patch = self.patch_length or self._patch_dividing(wanted)
        whole = math.lcm(patch, self.coarse_patch_length or 1)
        context = self.context_length or math.ceil(wanted / whole) * whole
        chosen: dict[str, Any] = {"season_length": season_length, "context_length": context, "patch_length": patch}
        if self.lags == "cycles":
            chosen["lags"] = Cycles(season_length, cycles.longer if season_length == cycles.season else 0).lags
        return ModelConfig(**{**self.model_dump(), **chosen})

    def _patch_dividing(self, context: int) -> int:
        patch = 16 if context >= 256 else 8
        if self.context_length is None:
            return patch
        return next(p for p in range(min(patch, context), 0, -1) if context % p == 0)
