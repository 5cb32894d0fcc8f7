"""When a champion gives way to its predecessor again: the group `roll_back` of a config."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from forecaster.config import Config


class RollBackPolicy(Config):
    """When a champion gives way to its predecessor again, by the actuals that came in since."""

    is_automatic: bool = Field(True, description="False: nothing is rolled back but by `forecaster rollback`.")
    window_days: float = Field(1.0, gt=0, le=36_500, description="Length of a window, by when forecasts were made.")
    num_windows: int = Field(
        14, ge=2, le=1000, description="Windows of each version; later ones of a champion are not judged."
    )
    min_windows: int = Field(3, ge=2, description="Windows of each version that have to count.")
    min_forecasts: int = Field(
        10, ge=1, description="Forecasts of single series with an actual, for a window to count."
    )
    confidence: float = Field(0.99, ge=0.5, lt=1, description="That it is worse at all must be this certain.")
    min_loss: float = Field(0.05, ge=0, description="Share by which it has to be worse than its predecessor was.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_windows > self.num_windows:
            raise ValueError(f"min_windows {self.min_windows} is above num_windows {self.num_windows}")
        return self
