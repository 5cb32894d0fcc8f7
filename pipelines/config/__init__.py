"""All settings of the pipelines: frozen, validated models, one for each group of a config, and the environment."""

from __future__ import annotations

from pipelines.config.environment import Environment, Launch
from pipelines.config.pipeline import (
    MODEL_NAME,
    BacktestConfig,
    BaselineName,
    PipelineConfig,
    SourceConfig,
    StartConfig,
    load_config,
    with_values,
)
from pipelines.config.promotion import PromotionPolicy
from pipelines.config.retrain.settings import ContractConfig, RetrainConfig, TriggerConfig
from pipelines.config.roll_back import RollBackPolicy
from pipelines.config.tune.settings import TuneConfig

__all__ = [
    "MODEL_NAME",
    "BacktestConfig",
    "BaselineName",
    "ContractConfig",
    "Environment",
    "Launch",
    "PipelineConfig",
    "PromotionPolicy",
    "RetrainConfig",
    "RollBackPolicy",
    "SourceConfig",
    "StartConfig",
    "TriggerConfig",
    "TuneConfig",
    "load_config",
    "with_values",
]
