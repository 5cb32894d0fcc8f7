"""Settings of drift: what is compared with what, and from where on it is too much."""

from __future__ import annotations

from pydantic import Field

from forecaster.config.base import Config


class DriftConfig(Config):
    """How drift is measured, and the limits beyond which a model should be trained again (docs/experiments.md)."""

    recent_seasons: int = Field(
        7, ge=1, description="Seasons (of hours: days) that are recent, fewer where there are fewer since training."
    )
    false_discovery_rate: float = Field(
        0.05, gt=0, lt=1, description="Share of the series called drifted that may be so by chance."
    )
    min_forecasts: int = Field(
        20, ge=1, description="Forecasts of single series, then and now, for error and coverage to be compared."
    )
    input_limit: float = Field(0.5, ge=0, le=1, description="Share of the series that may have drifted, at most.")
    error_limit: float = Field(0.25, ge=0, description="Most by which the relative MASE may have grown: a share of it.")
    coverage_limit: float = Field(
        0.15, ge=0, le=1, description="Most by which the coverage may be further from 80 % than it was: a share."
    )

    @property
    def limits(self) -> dict[str, float]:
        """The limit of each signal."""
        return {
            "drift_input": self.input_limit,
            "drift_error": self.error_limit,
            "drift_coverage": self.coverage_limit,
        }
