"""A model that is trained on each data set, as whoever does not want a pretrained one would have it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.zero_shot_tasks import Task
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.predictor import Predictor
from forecaster.training.fit import fit

_MAX_STEPS = 500


def trained_on(task: Task) -> Predictor:
    """Trains with the library's settings, but for 500 steps at most, on what lies before the windows of the task."""
    split = SplitConfig(num_validation_folds=1, num_test_folds=len(task.folds))
    training = TrainingConfig(max_steps=_MAX_STEPS, steps_per_validation=50, num_threads=1)
    config = ForecasterConfig(model=ModelConfig(horizon=task.folds[0].horizon), training=training, split=split)
    with tempfile.TemporaryDirectory() as folder:
        return fit(task.panel, config, Path(folder)).predictor
