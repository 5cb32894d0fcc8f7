"""The settings of the encoder in the box with steps of 256 windows instead of 4,096: what a CPU trains in minutes."""

from __future__ import annotations

from typing import Any

import yaml

from forecaster.config.pretraining import PretrainingConfig
from forecaster.pretrained import TRAINING

_SMALL_STEPS = {"windows_per_order": 64, "steps_per_block": 16, "warmup_steps": 200, "steps_per_validation": 250}


def small_steps(**changes: Any) -> PretrainingConfig:
    """Gives those settings, some of them changed."""
    return PretrainingConfig(**yaml.safe_load(TRAINING.read_text()) | _SMALL_STEPS | changes)
