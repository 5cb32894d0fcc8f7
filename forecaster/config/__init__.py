"""All settings of the library: frozen, validated models, one per concern, each default written there once.

`None` means "chosen from the data by the rule that the field's description states"; `resolved` applies
those rules, and what it returns is what is logged and saved. Unknown keys are refused.
"""

from __future__ import annotations

from forecaster.config.base import Config
from forecaster.config.covariates import CovariateConfig
from forecaster.config.drift import DriftConfig
from forecaster.config.model import DEFAULT_LEVELS, POINT_HEADS, POINT_LEVELS, Level, ModelConfig
from forecaster.config.table import TableConfig
from forecaster.config.training import SplitConfig, TrainingConfig

__all__ = [
    "DEFAULT_LEVELS",
    "POINT_HEADS",
    "POINT_LEVELS",
    "Config",
    "CovariateConfig",
    "DriftConfig",
    "ForecasterConfig",
    "Level",
    "ModelConfig",
    "SplitConfig",
    "TableConfig",
    "TrainingConfig",
]


class ForecasterConfig(Config):
    """Everything `Forecaster.fit` needs besides the data."""

    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()
