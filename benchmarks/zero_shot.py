"""The pretrained encoder on data that it never saw, beside seasonal naive, AutoETS, AutoTheta, AutoARIMA and training.

    python -m benchmarks.zero_shot [--save] [--most 60] [--encoder FOLDER] [--fast]

For reporting only: nothing is chosen by it. `mase_gm` and `wql_gm` are geometric means over ten data sets of MASE and
weighted quantile loss relative to the seasonal naive on all windows. That is a point forecast, as in the tables that
published figures come from (`benchmarks/published.py`); `wql_over_gaussian_naive_gm` is relative to the same naive with
Gaussian intervals. On five of the sets `_over_bolt_` is relative to what was published for Chronos-Bolt. `calibrated_`
figures are those of intervals that follow the errors within what each fold may see; `distance_from_80` is how far the
coverage of a data set is from 80 %, on average. The statistical models take seconds to minutes a window: they forecast
`--most` windows of each data set, evenly spread, and are compared with the encoder on those (AutoARIMA only where a
season has up to 12 steps). A model with the settings of the library is trained on each data set, up to the windows that
are scored. `--fast` leaves both out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import parser
from benchmarks.published import OVER_BOLT, beside_published
from benchmarks.record import machine_setup, record
from benchmarks.zero_shot_tasks import (
    Task,
    as_point,
    fitted,
    geometric_mean,
    mase,
    tasks,
    weighted_quantile_loss,
)
from benchmarks.zero_shot_training import trained_on
from forecaster.baselines import SeasonalNaive
from forecaster.baselines.statistical import Statistical, StatisticalName
from forecaster.bundle import load_bundle
from forecaster.config import DEFAULT_LEVELS, ModelConfig
from forecaster.evaluation import Evaluation, evaluate_refitted
from forecaster.predictor import Predictor
from forecaster.pretrained import CalibratedOnHistory

_PEERS: tuple[StatisticalName, ...] = ("auto_ets", "auto_theta", "auto_arima")
_LONGEST_ARIMA_SEASON = 12
_TRAINING_STEPS = 500


def main() -> None:
    """Scores every data set and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--most", type=int, default=60, help="windows of each data set for the statistical models")
    arguments.add_argument("--encoder", type=Path, help="bundle folder of another encoder than that in the box")
    arguments.add_argument("--fast", action="store_true", help="leave out the statistical models, and training")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    encoder = None if given.encoder is None else load_bundle(given.encoder)
    found: dict[str, dict[str, float]] = {}
    for task in tasks(given.data):
        predictor = fitted(task, encoder)
        found[task.name] = _own(task, predictor)
        if not given.fast:
            found[task.name] |= _peers(task.thinned(given.most), predictor) | _trained(task)
        print(task.name, {name: round(value, 4) for name, value in found[task.name].items()}, flush=True)
    setup = machine_setup(["pytorch-lightning", "statsforecast"]) | {"windows_of_peers": given.most}
    figures = {f"{name}_{figure}": value for name, figures in found.items() for figure, value in figures.items()}
    rounded = {name: round(value, 4) for name, value in (_summary(found) | figures).items()}
    record("zero_shot", rounded, setup, save=given.save)


def _own(task: Task, predictor: Predictor) -> dict[str, float]:
    """Scores the encoder on all windows, relative to the seasonal naive, and calibrated on what came before them."""
    began = time.perf_counter()
    evaluation = task.evaluated(predictor)
    seconds = time.perf_counter() - began
    own_mase, wql = mase(task, evaluation), weighted_quantile_loss(evaluation)
    naive = task.evaluated(SeasonalNaive(task.season_length))
    naive_wql = weighted_quantile_loss(as_point(naive))
    calibrated = evaluate_refitted(CalibratedOnHistory(predictor), task.panel, task.folds, DEFAULT_LEVELS)
    return {
        "mase": own_mase,
        "mase_over_naive": own_mase / mase(task, naive),
        "wql": wql,
        "wql_over_naive": wql / naive_wql,
        "wql_over_gaussian_naive": wql / weighted_quantile_loss(naive),
        "coverage_80": _coverage(evaluation),
        "calibrated_wql_over_naive": weighted_quantile_loss(calibrated) / naive_wql,
        "calibrated_coverage_80": _coverage(calibrated),
        "windows": float(sum(len(fold.series) for fold in task.folds)),
        "seconds": seconds,
    } | beside_published(task, evaluation)


def _peers(task: Task, predictor: Predictor) -> dict[str, float]:
    """Scores the encoder and the statistical models on the same few windows."""
    found = {"mase_on_few": mase(task, task.evaluated(predictor))}
    for name in _PEERS:
        if name == "auto_arima" and task.season_length > _LONGEST_ARIMA_SEASON:
            continue
        found[f"{name}_mase_on_few"] = mase(task, task.evaluated(Statistical(name, task.season_length)))
    return found


def _trained(task: Task) -> dict[str, float]:
    trained = trained_on(task, ModelConfig(horizon=task.folds[0].horizon), _TRAINING_STEPS)
    return {"trained_mase": mase(task, task.evaluated(trained))}


def _coverage(evaluation: Evaluation) -> float:
    low, high = evaluation.quantiles[..., 0], evaluation.quantiles[..., -1]
    inside = (evaluation.actual >= low) & (evaluation.actual <= high)
    return float(inside[np.isfinite(evaluation.actual)].mean())


def _summary(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Gives means over the data sets, and on how many of them the encoder is below each statistical model."""

    def each(name: str) -> list[float]:
        return [figures[name] for figures in found.values() if name in figures]

    summary = {
        "mase_gm": geometric_mean(each("mase_over_naive")),
        "wql_gm": geometric_mean(each("wql_over_naive")),
        "wql_over_gaussian_naive_gm": geometric_mean(each("wql_over_gaussian_naive")),
        "coverage_80": float(np.mean(each("coverage_80"))),
        "distance_from_80": _distance(each("coverage_80")),
        "calibrated_wql_gm": geometric_mean(each("calibrated_wql_over_naive")),
        "calibrated_coverage_80": float(np.mean(each("calibrated_coverage_80"))),
        "calibrated_distance_from_80": _distance(each("calibrated_coverage_80")),
    }
    summary |= {f"{name}_gm": geometric_mean(each(name)) for name in OVER_BOLT}
    summary["naive_off_published"] = max(each("naive_off_published"))
    for peer in _PEERS:
        theirs = f"{peer}_mase_on_few"
        ratios = [figures["mase_on_few"] / figures[theirs] for figures in found.values() if theirs in figures]
        if ratios:
            summary[f"sets_below_{peer}"] = float(sum(ratio < 1 for ratio in ratios))
            summary[f"mase_over_{peer}_gm"] = geometric_mean(ratios)
    return summary


def _distance(coverages: Sequence[float]) -> float:
    """Gives how far coverages are from 80 %, on average."""
    return float(np.mean(np.abs(np.array(coverages) - 0.8)))


if __name__ == "__main__":
    main()
