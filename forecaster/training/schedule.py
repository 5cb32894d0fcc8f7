"""Learning rate over steps: linear warm-up, then a cosine down to a floor."""

from __future__ import annotations

import math

from forecaster.config import TrainingConfig


def rate_factor(step: int, config: TrainingConfig) -> float:
    """Gives the learning rate at `step` (0-based) as a share of the peak rate, in [0, 1].

    Rises linearly over `warmup_fraction` of `max_steps`, then follows half a cosine down to
    `final_rate_fraction` (Loshchilov & Hutter 2017, SGDR, without restarts).
    """
    warmup = max(1, round(config.warmup_fraction * config.max_steps))
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, config.max_steps - warmup))
    floor = config.final_rate_fraction
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))
