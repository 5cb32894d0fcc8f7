"""The simple forecasts that an encoder can add to: two kinds, one table of names."""

from __future__ import annotations

from collections.abc import Callable

from forecaster.config import ModelConfig
from forecaster.model.skips.linear import LinearSkip
from forecaster.model.skips.theta import ThetaSkip

Skip = LinearSkip | ThetaSkip

SKIPS: dict[str, Callable[[ModelConfig, int], Skip]] = {
    "ridge": lambda config, context_length: LinearSkip(
        context_length, config.horizon, len(config.covariates.known), config.season_length
    ),
    "theta": lambda config, context_length: ThetaSkip(context_length, config.horizon, config.season_length or 1),
}
