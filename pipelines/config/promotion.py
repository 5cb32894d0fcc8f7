"""What a challenger has to show: the group `promotion` of a config."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from forecaster.config import Config

_SEGMENT = re.compile(r"[\w\-. /:]{1,100}")


class PromotionPolicy(Config):
    """When a challenger takes the champion's place. What is left out is not asked for."""

    version: Literal[1] = Field(1, description="Of these rules; other versions are refused rather than misread.")
    num_folds: int | None = Field(None, ge=1, description="Folds to compare on. Default: split.num_test_folds.")
    min_gain: float = Field(0.0, ge=0, lt=1, description="Share by which MASE must fall below the champion's.")
    confidence: float = Field(
        0.975,
        ge=0.5,
        lt=1,
        description="That MASE falls at all must be this certain, by series and folds; 0.5 takes the mean as it is.",
    )
    coverage_80: tuple[float, float] | None = Field(
        None, description="Least and most share of actuals inside the central 80 % interval."
    )
    segments: dict[str, str] = Field(
        default_factory=dict,
        description="Names of segments, and the series of each as a pattern of ids such as 'north_*'.",
    )
    max_segment_loss: float = Field(
        0.02, ge=0, lt=1, description="Share by which MASE may rise above the champion's in any of these segments."
    )
    max_latency_ms: float | None = Field(None, gt=0, description="Of one forecast on the machine that decides.")
    max_bundle_mb: float | None = Field(None, gt=0, description="Size of the bundle, in 10^6 bytes.")
    max_age_days: float | None = Field(
        None, gt=0, description="How old the latest value may be that it was trained on."
    )
    needs_approval: bool = Field(False, description="Somebody has to approve of the version, by name.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.coverage_80 is not None and not 0 <= self.coverage_80[0] < self.coverage_80[1] <= 1:
            raise ValueError("coverage_80 wants the least and the most share, in [0, 1] and in this order")
        for name in self.segments:
            if not _SEGMENT.fullmatch(name):
                raise ValueError(f"segment {name!r}: names have letters, digits, blanks and _-./: alone, as in MLflow")
        return self
