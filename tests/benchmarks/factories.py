"""Small stand-ins for what the benchmarks measure."""

from __future__ import annotations

import numpy as np

from benchmarks.ablation_runs import Measured
from benchmarks.tasks import Task
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from tests.factories import sine_panel

CONFIG = ForecasterConfig(
    model=ModelConfig(
        horizon=6, context_length=32, season_length=4, patch_length=8, d_model=8, num_heads=2, num_layers=1, d_ff=8
    ),
    training=TrainingConfig(max_steps=4, steps_per_validation=2, batch_size=8, num_threads=1),
    split=SplitConfig(num_validation_folds=1, num_test_folds=2),
)


def small_task(*, grouped: bool = False, frequency: str = "step") -> Task:
    """A task of three waves whose fit takes a moment."""
    panel = sine_panel(3, 80, frequency=frequency)
    if grouped:
        panel = Panel(
            panel.series_ids, panel.offsets, panel.values, panel.starts, panel.axis, groups=np.zeros(3, dtype=np.int64)
        )
    return Task("waves", panel, 4, CONFIG)


def measured(mase: float, wql: float | None = 0.1, seconds: float = 10.0) -> Measured:
    """What a fit of 100 parameters came to."""
    return Measured(mase, wql, None if wql is None else 0.8, seconds, 100)
