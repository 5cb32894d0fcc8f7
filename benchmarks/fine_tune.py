"""Fine-tuning the pretrained encoder against training from scratch, which is given ten times the steps.

    python -m benchmarks.fine_tune [--save] [--steps 500] [--seeds 2]

Both are trained on each of the ten data sets of `zero_shot`, up to the windows that are scored, with the library's
settings: from scratch for `--steps`, from the encoder for a tenth of them. Each keeps the weights with the lowest
validation loss. `sets_better` counts the data sets on which the fine-tuned model has the lower MASE, mean over seeds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import parser
from benchmarks.record import machine_setup, record
from benchmarks.zero_shot_tasks import Task, mase, tasks
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.predictor import Predictor
from forecaster.pretrained import encoder_for, fine_tunable, pretrained_encoder
from forecaster.training.fit import fit
from forecaster.training.start import Start, fine_tune, scratch

_SHARE_OF_STEPS = 10


def main() -> None:
    """Trains both on every data set and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=500, help="steps of a training from scratch")
    arguments.add_argument("--seeds", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    for task in tasks(given.data):
        found = _compared(task, given.steps, given.seeds)
        figures |= {f"{task.name}_{name}": value for name, value in found.items()}
        print(task.name, {name: round(value, 4) for name, value in found.items()}, flush=True)
    ratios = [figures[f"{name}_tuned"] / figures[f"{name}_scratch"] for name in _names(figures)]
    summary = {"sets_better": float(sum(ratio < 1 for ratio in ratios)), "mase_ratio_gm": _geometric_mean(ratios)}
    rounded = {name: round(value, 4) for name, value in (summary | figures).items()}
    setup = machine_setup(["pytorch-lightning"]) | {"steps": given.steps, "seeds": given.seeds}
    record("fine_tune", rounded, setup, save=given.save)


def _compared(task: Task, num_steps: int, num_seeds: int) -> dict[str, float]:
    """Gives the MASE of both and of the encoder as it is, the mean over seeds."""
    model = ModelConfig(horizon=task.folds[0].horizon)
    few = num_steps // _SHARE_OF_STEPS
    encoder = fine_tune(pretrained_encoder())
    begun = [_mase(task, _trained(task, model, num_steps, scratch(), seed)) for seed in range(num_seeds)]
    tuned = [_mase(task, _trained(task, fine_tunable(model), few, encoder, seed)) for seed in range(num_seeds)]
    untuned = encoder_for(task.panel.axis.frequency, int(task.panel.lengths.max())).predictor
    return {"scratch": float(np.mean(begun)), "tuned": float(np.mean(tuned)), "zero_shot": _mase(task, untuned)}


def _trained(task: Task, model: ModelConfig, num_steps: int, start: Start, seed: int) -> Predictor:
    split = SplitConfig(num_validation_folds=1, num_test_folds=len(task.folds))
    validated_every = max(1, num_steps // _SHARE_OF_STEPS)
    training = TrainingConfig(max_steps=num_steps, steps_per_validation=validated_every, seed=seed, num_threads=1)
    config = ForecasterConfig(model=model, training=training, split=split)
    with tempfile.TemporaryDirectory() as folder:
        return fit(task.panel, config, Path(folder), start=start).predictor


def _mase(task: Task, predictor: Predictor) -> float:
    return mase(task, task.evaluated(predictor))


def _names(figures: dict[str, float]) -> list[str]:
    return [name.removesuffix("_tuned") for name in figures if name.endswith("_tuned")]


def _geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


if __name__ == "__main__":
    main()
