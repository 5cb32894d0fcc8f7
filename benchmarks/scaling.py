"""How the zero-shot score falls with weights and windows seen, and what the law foretells of the encoder in the box.

    python -m benchmarks.scaling --runs FOLDER [--save]

Six encoders are pretrained by the settings of the box, but for their size and with steps of 256 windows (two hours of
one core); FOLDER keeps them with their checkpoints, and what is there already is not trained again. The least squares
fit of

    log score = a - b log weights - c log windows

to these six (as in Kaplan et al. 2020, "Scaling Laws for Neural Language Models", without a floor, which six points
cannot tell) foretells the seventh, the encoder in the box, for the loss on held-out synthetic series and for `mase_gm`,
the MASE relative to the seasonal naive on the ten data sets of `zero_shot`. For reporting only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import parser
from benchmarks.pretraining_settings import small_steps
from benchmarks.record import machine_setup, record
from benchmarks.zero_shot_tasks import RelativeScore, fitted, tasks
from forecaster.bundle import Bundle, load_bundle
from forecaster.pretrained import pretrained_encoder, save_encoder
from forecaster.training.pretraining import pretrain

# Width and blocks of the networks, with four times the width inside a block, and their steps.
_RUNS = ((32, 2, 1_500), (64, 4, 1_500), (128, 4, 1_500), (32, 2, 6_000), (64, 4, 6_000), (128, 4, 14_000))
_SCORES = ("validation_loss", "mase_gm")


@dataclass(frozen=True)
class _Point:
    name: str
    num_weights: int
    num_windows: int
    scores: Mapping[str, float]


def main() -> None:
    """Trains what is not trained yet, fits the laws, foretells, and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the six encoders and their checkpoints")
    given = arguments.parse_args()
    bundles = [_trained(*run, given.runs) for run in _RUNS]
    score = RelativeScore(tasks(given.data))
    points = [_measured(bundle, score) for bundle in bundles]
    box = _measured(pretrained_encoder(), score)
    figures = {f"{point.name}_{name}": value for point in (*points, box) for name, value in point.scores.items()}
    for name in _SCORES:
        figures |= {f"{name}_{figure}": value for figure, value in _law(points, box, name).items()}
    setup = machine_setup(["pytorch-lightning"]) | {"box": box.name}
    record("scaling", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def _trained(width: int, blocks: int, steps: int, runs: Path) -> Bundle:
    output = runs / f"d{width}x{blocks}-{steps}-bundle"
    if not output.exists():
        model = {"d_model": width, "num_layers": blocks, "d_ff": 4 * width}
        config = small_steps(max_steps=steps, model=model)
        made = pretrain(config, runs / f"d{width}x{blocks}-{steps}", show_progress=True)
        save_encoder(made.network, config, made.num_steps, made.validation_loss, output)
    return load_bundle(output)


def _measured(encoder: Bundle, score: RelativeScore) -> _Point:
    network, training = encoder.predictor.network, encoder.facts
    scores = {
        "validation_loss": training.validation_loss or math.nan,
        "mase_gm": score.of(lambda task: fitted(task, encoder)),
    }
    name = f"d{network.config.d_model}x{network.config.num_layers}_{training.num_steps}"
    num_weights = sum(weight.numel() for weight in network.parameters())
    print(name, f"{num_weights:,} weights, {training.num_series:,} windows", scores, flush=True)
    return _Point(name, num_weights, training.num_series, scores)


def _law(points: Sequence[_Point], box: _Point, name: str) -> dict[str, float]:
    """Gives the exponents fitted to the points, how far off any of them is, and what is foretold of the box."""
    terms = np.array([_terms(point) for point in points])
    law, *_ = np.linalg.lstsq(terms, np.log([point.scores[name] for point in points]))
    misfits = [abs(float(np.exp(_terms(point) @ law)) / point.scores[name] - 1) for point in points]
    foretold = float(np.exp(_terms(box) @ law))
    print(f"{name} of the box: {foretold:.4f} foretold, {box.scores[name]:.4f} measured", flush=True)
    return {
        "exponent_of_weights": -law[1],
        "exponent_of_windows": -law[2],
        "largest_misfit": max(misfits),
        "foretold": foretold,
        "over_foretold": box.scores[name] / foretold,
    }


def _terms(point: _Point) -> np.ndarray:
    return np.array([1.0, math.log(point.num_weights), math.log(point.num_windows)])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
