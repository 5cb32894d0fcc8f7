"""Fine-tuning the pretrained encoder against training from scratch, which is given ten times the steps.

    python -m benchmarks.fine_tune [--save] [--steps 500] [--seeds 2]

Both are trained on each of the ten data sets of `zero_shot`, up to the windows that are scored, with the library's
settings: from scratch for `--steps`, from the encoder for a tenth of them. Each keeps the weights with the lowest
validation loss. `sets_better` counts the data sets on which the fine-tuned model has the lower MASE, mean over seeds.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.data import parser
from benchmarks.record import machine_setup, record
from benchmarks.zero_shot_tasks import Task, geometric_mean, mase, tasks
from benchmarks.zero_shot_training import trained_on
from forecaster.config import ModelConfig
from forecaster.predictor import Predictor
from forecaster.pretrained import encoder_for, fine_tunable, pretrained_encoder
from forecaster.training.start import fine_tune

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
    summary = {"sets_better": float(sum(ratio < 1 for ratio in ratios)), "mase_ratio_gm": geometric_mean(ratios)}
    rounded = {name: round(value, 4) for name, value in (summary | figures).items()}
    setup = machine_setup(["pytorch-lightning"]) | {"steps": given.steps, "seeds": given.seeds}
    record("fine_tune", rounded, setup, save=given.save)


def _compared(task: Task, num_steps: int, num_seeds: int) -> dict[str, float]:
    """Gives the MASE of both and of the encoder as it is, the mean over seeds."""
    model = ModelConfig(horizon=task.folds[0].horizon)
    few = num_steps // _SHARE_OF_STEPS
    encoder = fine_tune(pretrained_encoder())
    shape, seeds = fine_tunable(model), range(num_seeds)
    begun = [_mase(task, trained_on(task, model, num_steps, seed=seed)) for seed in seeds]
    tuned = [_mase(task, trained_on(task, shape, few, start=encoder, seed=seed)) for seed in seeds]
    untuned = encoder_for(task.panel.axis.frequency, int(task.panel.lengths.max())).predictor
    return {"scratch": float(np.mean(begun)), "tuned": float(np.mean(tuned)), "zero_shot": _mase(task, untuned)}


def _mase(task: Task, predictor: Predictor) -> float:
    return mase(task, task.evaluated(predictor))


def _names(figures: dict[str, float]) -> list[str]:
    return [name.removesuffix("_tuned") for name in figures if name.endswith("_tuned")]


if __name__ == "__main__":
    main()
