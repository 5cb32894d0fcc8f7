"""Do 80 % intervals hold 80 % of what came, before and after calibration, in each third of the horizon?

    python -m benchmarks.calibration [--save] [--only etth1]

One quantile network per data set, with the settings that its own benchmark was given on validation, is trained and
calibrated on what lies before its test part, and judged on all test windows. "Before" is the same without its
calibration. Validation has as many folds as the series allow, as that is what calibration learns from. The weighted
quantile loss says what the wider intervals cost, and crossings count neighbouring levels in the wrong order.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from benchmarks.calibration_tasks import TASKS
from benchmarks.data import parser
from benchmarks.record import machine_setup, record
from benchmarks.scores import Scored
from benchmarks.tasks import Task, fit_in_passing, judged
from forecaster.evaluation import Evaluation
from forecaster.predictor import Predictor

NOMINAL = 0.8
THIRDS = ("first", "middle", "last")


@dataclass(frozen=True)
class Quality:
    """How good the intervals of one model are on the test part."""

    coverage: tuple[float, ...]  # of the first, middle and last third of the horizon
    wql: float
    num_crossings: int  # neighbouring levels out of order, over all windows and steps


@dataclass(frozen=True)
class Compared:
    """One data set, before and after calibration."""

    before: Quality
    after: Quality
    num_windows: int
    seconds: float  # of fitting, on the clock


def main() -> None:
    """Fits and judges every data set and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS))
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    compared = {}
    for name in given.only:
        compared[name] = compare(TASKS[name](given.data))
        print(f"{name}: {_shown(compared[name])}", flush=True)
    setup = machine_setup(["pytorch-lightning"]) | {
        "num_windows": {name: found.num_windows for name, found in compared.items()},
        "fit_seconds": {name: round(found.seconds, 1) for name, found in compared.items()},
    }
    record("calibration", figures_of(compared), setup, save=given.save)


def compare(task: Task) -> Compared:
    """Fits the model of one data set and judges it with and without its calibration."""
    began = time.perf_counter()
    result = fit_in_passing(task.panel, task.config, task.start)
    seconds = time.perf_counter() - began
    calibrated = result.predictor
    plain = Predictor(calibrated.networks, calibrated.frequency)
    before, after = (judged(predictor, task, result.split.test) for predictor in (plain, calibrated))
    return Compared(quality(before), quality(after), len(after.series), seconds)


def quality(found: Evaluation) -> Quality:
    """Gives what an evaluation says of the intervals."""
    unscaled = np.full(len(found.series), np.nan)  # no MASE is wanted
    scored = Scored(found.actual, found.quantiles, found.levels, unscaled, pd.DataFrame({"cutoff": found.cutoffs}))
    crossings = int((np.diff(found.quantiles, axis=2) < 0).sum())
    return Quality(tuple(scored.coverage_by_third(NOMINAL)), found.scores.weighted_quantile_loss, crossings)


def figures_of(compared: Mapping[str, Compared]) -> dict[str, float]:
    """Gives the extremes over data sets and thirds, the mean distance from 80 %, and the figures of each data set."""
    after = [value for found in compared.values() for value in found.after.coverage]
    before = [value for found in compared.values() for value in found.before.coverage]
    ratios = [found.after.wql / found.before.wql for found in compared.values()]
    figures = {
        "coverage_80_min": min(after),
        "coverage_80_max": max(after),
        "before_min": min(before),
        "before_max": max(before),
        "mean_distance": float(np.mean(np.abs(np.array(after) - NOMINAL))),
        "before_mean_distance": float(np.mean(np.abs(np.array(before) - NOMINAL))),
        "wql_ratio": float(np.exp(np.mean(np.log(ratios)))),
        "num_crossings": sum(found.after.num_crossings + found.before.num_crossings for found in compared.values()),
    }
    for name, found in compared.items():
        figures |= _figures_of_one(name, found)
    return {name: round(value, 4) for name, value in figures.items()}


def _figures_of_one(name: str, found: Compared) -> dict[str, float]:
    figures = {f"{name}_coverage_80_{third}": v for third, v in zip(THIRDS, found.after.coverage, strict=True)}
    figures |= {f"{name}_before_{third}": v for third, v in zip(THIRDS, found.before.coverage, strict=True)}
    return figures | {f"{name}_wql": found.after.wql, f"{name}_before_wql": found.before.wql}


def _shown(found: Compared) -> str:
    before, after = (" ".join(f"{100 * v:.0f}" for v in q.coverage) for q in (found.before, found.after))
    losses = f"wql {found.before.wql:.4f} to {found.after.wql:.4f}"
    crossings = found.before.num_crossings + found.after.num_crossings
    return f"covered {before} before, {after} after; {losses}; {crossings} crossings; {found.seconds:.0f} s"


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
