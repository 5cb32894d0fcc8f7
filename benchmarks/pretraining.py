"""Pretraining in short: the loss falls, so does the zero-shot score, and a SIGKILL changes no bit of the weights.

    python -m benchmarks.pretraining [--save] [--steps 1000]

The encoder of the box is trained by its own settings, but for `--steps` steps of 256 windows (a quarter of an hour for
1,000 on one core). At ten moments its averaged weights are scored on 100 windows of each of the ten data sets of
`zero_shot`: `mase_gm_STEP` is the geometric mean of MASE relative to the seasonal naive, `validation_loss_STEP` the
loss on held-out synthetic series. Then a small encoder is trained twice, once killed half-way and run again:
`weights_differing` counts the weights that differ.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.data import parser
from benchmarks.pretraining_settings import small_steps
from benchmarks.record import machine_setup, record
from benchmarks.zero_shot_tasks import RelativeScore, Task, tasks
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.pretrained import context_for, cycles_for
from forecaster.training.callbacks import ReportMetrics, ReportNetwork
from forecaster.training.pretraining import pretrain

_WINDOWS, _MOMENTS = 100, 10
_SMALL = ("model.d_model=16", "model.num_layers=1", "max_steps=60", "steps_per_validation=10", "windows_per_order=64")


def main() -> None:
    """Trains, kills, and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=1_000)
    given = arguments.parse_args()
    curve = _Curve([task.thinned(_WINDOWS) for task in tasks(given.data)])
    config = small_steps(max_steps=given.steps, steps_per_validation=given.steps // _MOMENTS)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        reporting = [ReportNetwork(curve.score), ReportMetrics(curve.note)]
        pretrain(config, Path(folder), callbacks=reporting)
    minutes = (time.perf_counter() - began) / 60
    figures = curve.figures | {"minutes": minutes, "weights_differing": float(_differing_after_a_kill())}
    setup = machine_setup(["pytorch-lightning"]) | {"steps": given.steps, "windows_of_each_set": _WINDOWS}
    record("pretraining", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


class _Curve:
    """What is known of the network at each moment."""

    def __init__(self, data: list[Task]) -> None:
        self.figures: dict[str, float] = {}
        self._score = RelativeScore(data)

    def score(self, network: Network, step: int) -> None:
        self.figures[f"mase_gm_{step}"] = self._score.of(lambda task: _fitted(network, task))
        print(step, self.figures[f"mase_gm_{step}"], flush=True)

    def note(self, metrics: Mapping[str, float], step: int) -> None:
        self.figures[f"validation_loss_{step}"] = metrics["validation_loss"]


def _fitted(network: Network, task: Task) -> Predictor:
    """Fits a network in training to a data set, as `encoder_for` does one in a bundle."""
    frequency, context = task.panel.axis.frequency, context_for(int(task.panel.lengths.max()))
    shaped = network.reshaped(context_length=context, horizon=task.folds[0].horizon, lags=cycles_for(frequency).lags)
    return Predictor(shaped, frequency)


def _differing_after_a_kill() -> int:
    """Gives how many weights of a training that was killed and run again differ from those of an unbroken one."""
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        _command(whole).wait()
        process = _command(broken)
        while not list(broken.parent.glob("home-broken/pretraining/*/last.ckpt")):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not broken.exists(), "it had ended already"
        _command(broken).wait()
        ours, theirs = (load_file(place / "weights.safetensors") for place in (whole, broken))
    return sum(int((ours[name] != theirs[name]).sum()) for name in ours)


def _command(output: Path) -> subprocess.Popen[bytes]:
    home = output.parent / f"home-{output.name}"
    flags = [part for text in _SMALL for part in ("--set", text)]
    command = [sys.executable, "-m", "forecaster", "pretrain", *flags, "--output", str(output), "--json"]
    return subprocess.Popen(command, env={**os.environ, "FORECASTER_HOME": str(home)}, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
