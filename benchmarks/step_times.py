"""How long the steps of a training take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl

WARM_UP_STEPS = 10


class StepTimes(pl.Callback):
    """Seconds of each training step by some clock, from the start of one batch to the start of the next."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.starts: list[float] = []
        self._clock = clock

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        """Notes the time."""
        self.starts.append(self._clock())

    @property
    def seconds(self) -> float:
        """Median after warm-up; validation between two steps is an outlier that it leaves out."""
        return float(np.median(np.diff(self.starts)[WARM_UP_STEPS:]))
