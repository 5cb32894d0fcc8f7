"""The ablation: one setting of the network or its training changed at a time, on four data sets with two seeds.

    python -m benchmarks.ablation [--save] [--tracking runs] [--budget-minutes 60] [--only etth1 nn5] [--flags norm_rms]

Judged on folds that lie before the official test parts, which are cut off before anything else. Every fit is an MLflow
run below the run of its data set; one that is finished (same data, same config, same seed) is not run again, so
that the job can be stopped at any time and goes on where it was. --save writes docs/ablation.md beside the record.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.ablation_runs import AblationRuns, FitName, Measured
from benchmarks.ablation_table import BASE, figures_of, page
from benchmarks.ablation_tasks import TASKS
from benchmarks.data import parser
from benchmarks.flags import FLAGS, Need, flags_for
from benchmarks.record import machine_setup, record
from benchmarks.tasks import Task, fit_in_passing, judged
from forecaster.config import POINT_HEADS, ForecasterConfig
from forecaster.data.panel import Panel
from forecaster.errors import ForecasterError
from forecaster.training.fit import fit_key

PAGE = Path(__file__).parent.parent / "docs" / "ablation.md"


@dataclass(frozen=True)
class Planned:
    """One fit that is to be made or found."""

    task: Task
    name: FitName
    config: ForecasterConfig


def main() -> None:
    """Runs what is not finished yet, as far as the budget reaches, and prints the record of all that is."""
    given = _arguments()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    tasks = [TASKS[name](given.data) for name in given.only]
    runs = AblationRuns(given.tracking)
    plan = list(planned(tasks, range(given.seeds), given.flags))
    failed = run_missing(plan, runs, time.monotonic() + 60 * given.budget_minutes)
    fits = {(fit.name.data, fit.name.flag, fit.name.seed): found for fit in plan if (found := runs.finished(fit.name))}
    text = page(fits)
    print(text)
    if given.save:
        PAGE.write_text(text, encoding="utf-8")
    setup = machine_setup(["pytorch-lightning", "mlflow"]) | {
        "planned_fits": len(plan),
        "failed": failed,
        "data_sets": given.only,
        "seeds": given.seeds,
        "seconds": "processor time of a fit on one thread",
    }
    record("ablation", figures_of(fits), setup, save=given.save)


def planned(tasks: Sequence[Task], seeds: Sequence[int], names: Sequence[str]) -> Iterator[Planned]:
    """Yields the base, then flag by flag in the order of `FLAGS`, each with all data sets and seeds.

    Without `names` all flags are taken, else the base and those.
    """
    flags = {task.name: {f.name: f for f in flags_for(task.config, kinds(task.panel))} for task in tasks}
    for name in [BASE, *(flag.name for flag in FLAGS if not names or flag.name in names)]:
        for task in tasks:
            if name == BASE or name in flags[task.name]:
                config = task.config if name == BASE else flags[task.name][name].changed(task.config)
                yield from (_planned(task, name, config, seed) for seed in seeds)


def kinds(panel: Panel) -> set[Need]:
    """Gives what the data has that some flags need."""
    found: set[Need] = {"groups"} if panel.is_grouped else set()
    return found if panel.axis.frequency.is_step else found | {"timestamps"}


def run_missing(plan: Sequence[Planned], runs: AblationRuns, end: float) -> list[str]:
    """Runs the fits that are not finished until the clock passes `end`; gives those that failed, with the reason."""
    missing = [fit for fit in plan if runs.finished(fit.name) is None]
    print(f"{len(plan)} fits, {len(missing)} of them to run", flush=True)
    failed = []
    for fit in missing:
        if time.monotonic() >= end:
            print("the budget is used up", flush=True)
            break
        label = f"{fit.name.data} {fit.name.flag} seed {fit.name.seed}"
        try:
            measured = measure(fit.task, fit.config)
        except (ForecasterError, RuntimeError, ValueError) as error:
            failed.append(f"{label}: {type(error).__name__}: {str(error)[:200]}")
            print(failed[-1], file=sys.stderr, flush=True)
            continue
        runs.write(fit.name, fit.config, measured)
        print(label, {name: round(value, 4) for name, value in measured.as_metrics().items()}, flush=True)
    return failed


def measure(task: Task, config: ForecasterConfig) -> Measured:
    """Fits once and judges it on the last folds of the task."""
    began = time.process_time()
    result = fit_in_passing(task.panel, config)
    seconds = time.process_time() - began
    scores = judged(result.predictor, task, result.split.test).scores.as_metrics()
    is_point = config.model.head in POINT_HEADS
    return Measured(
        mase=scores["mase"],
        wql=None if is_point else scores["wql"],
        coverage_80=scores.get("coverage_80"),
        seconds=seconds,
        num_parameters=sum(p.numel() for network in result.predictor.networks for p in network.parameters()),
    )


def _planned(task: Task, flag: str, config: ForecasterConfig, seed: int) -> Planned:
    training = config.training.model_copy(update={"seed": seed})
    seeded = config.model_copy(update={"training": training})
    return Planned(task, FitName(task.name, flag, seed, fit_key(task.panel, seeded)), seeded)


def _arguments() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--tracking", type=Path, default=Path("runs"), help="folder of the MLflow store")
    arguments.add_argument("--budget-minutes", type=float, default=float("inf"), help="no fit begins after that")
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS), help="data sets")
    names = sorted({flag.name for flag in FLAGS})
    arguments.add_argument("--flags", nargs="+", choices=names, default=[], help="beside the base; default: all")
    return arguments.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
