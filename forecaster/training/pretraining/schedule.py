"""Learning rate of pretraining: up, level, down."""

from __future__ import annotations

import math

from forecaster.config.pretraining import PretrainingConfig


def decay_start(config: PretrainingConfig) -> int:
    """Gives the first step with a falling rate: up to there a longer training is the same."""
    return config.max_steps - max(1, round(config.decay_fraction * config.max_steps))


def rate_factor(step: int, config: PretrainingConfig) -> float:
    """Gives the learning rate at `step` (0-based) as a share of the peak rate, in [0, 1].

    Rises linearly, stays, and falls as 1 - sqrt(progress) (Haegele et al. 2024, "Scaling Laws and Compute-Optimal
    Training Beyond Fixed Training Durations").
    """
    rising = min(1.0, (step + 1) / config.warmup_steps)
    begin = decay_start(config)
    if step < begin:
        return rising
    progress = min(1.0, (step - begin) / (config.max_steps - begin))
    return rising * (1.0 - math.sqrt(progress))
