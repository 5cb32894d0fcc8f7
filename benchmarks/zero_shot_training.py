"""A model that is trained on each data set, from scratch or from the pretrained encoder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.zero_shot_tasks import Task
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.predictor import Predictor
from forecaster.training.fit import fit
from forecaster.training.start import Start

_NUM_VALIDATIONS = 10


def trained_on(
    task: Task, model: ModelConfig, num_steps: int, *, start: Start | None = None, seed: int = 0
) -> Predictor:
    """Trains with the library's settings, but for the steps, on what lies before the windows of the task."""
    split = SplitConfig(num_validation_folds=1, num_test_folds=len(task.folds))
    validated_every = max(1, num_steps // _NUM_VALIDATIONS)
    training = TrainingConfig(max_steps=num_steps, steps_per_validation=validated_every, seed=seed, num_threads=1)
    config = ForecasterConfig(model=model, training=training, split=split)
    with tempfile.TemporaryDirectory() as folder:
        return fit(task.panel, config, Path(folder), start=start).predictor
