"""What an analyst sees of a study in its parent run: trials, how the best came about, what mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from forecaster.arrays import FloatArray
from pipelines.tune.record import AS_IT_IS, State, Trial

_DONE, _PRUNED, _BEST = "#1f2933", "#9aa5b1", "#c2410c"


def trials_table(trials: Sequence[Trial], metric: str) -> pd.DataFrame:
    """Gives a row for each trial, best first, then those that ended early with their last score, then failures."""
    names = sorted({name for trial in trials for name in trial.values})
    rows = [
        {
            "trial": trial.name,
            "state": trial.state.value.lower(),
            f"validation_{metric}": last_score(trial),
            "last_step": max(trial.course, default=None),
            "seconds": round(trial.seconds, 1),
            **{name: _shown(trial.values.get(name)) for name in names},
            "reason": trial.reason,
        }
        for trial in sorted(trials, key=_rank)
    ]
    return pd.DataFrame(rows)


def last_score(trial: Trial) -> float | None:
    """Gives the score of a whole trial, else the last one that was told of it."""
    if trial.state is State.COMPLETE:
        return trial.score
    return trial.course[max(trial.course)] if trial.course else None


def _rank(trial: Trial) -> tuple[int, float, int]:
    score = last_score(trial)
    return list(State).index(trial.state), np.inf if score is None else score, trial.number


def _shown(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def log_table(client: MlflowClient, run_id: str, table: pd.DataFrame, name: str) -> None:
    """Logs a table in the form that the UI compares, in the place of an earlier one, which MLflow would append to."""
    client.log_text(run_id, table.to_json(orient="split", index=False), name)
    entry = {"path": name, "type": "table"}
    logged = json.loads(client.get_run(run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
    if entry not in logged:
        client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*logged, entry]))


def draw_history(trials: Sequence[Trial], metric: str, importances: Mapping[str, float], path: Path) -> Path:
    """Draws the score of each trial and the best so far, beside it the share of each setting in the differences."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 4), layout="constrained")
        axes = figure.subplots(1, 2, width_ratios=(2, 1)) if importances else [figure.subplots()]
        _draw_trials(axes[0], trials, metric)
        if importances:
            _draw_importances(axes[1], importances)
        figure.savefig(path, dpi=110)
    return path


def _draw_trials(axis: Axes, trials: Sequence[Trial], metric: str) -> None:
    whole, pruned = _points(trials, State.COMPLETE), _points(trials, State.PRUNED)
    axis.scatter(whole[0], whole[1], color=_DONE, s=18, label="whole trial", zorder=3)
    axis.scatter(pruned[0], pruned[1], color=_PRUNED, s=18, marker="x", label="ended early, last score")
    numbers, best = [*whole[0], trials[-1].number], np.minimum.accumulate(whole[1])
    axis.step(numbers, [*best, best[-1]], where="post", color=_BEST, lw=1.4, label="best so far")
    if whole[0][0] == AS_IT_IS:
        axis.axhline(whole[1][0], color=_DONE, lw=0.8, ls=":", label="the config as it is")
    _cut(axis, np.asarray([*whole[1], *pruned[1]]))
    axis.set_xlabel("trial")
    axis.set_ylabel(f"{metric.upper() if metric != 'smape' else 'sMAPE'} on the validation folds")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="upper right", frameon=False, fontsize=8)


def _points(trials: Sequence[Trial], state: State) -> tuple[list[int], list[float]]:
    """Gives numbers and last scores of the trials that ended so and have one."""
    told = [
        (trial.number, score) for trial in trials if trial.state is state and (score := last_score(trial)) is not None
    ]
    return [number for number, _ in told], [score for _, score in told]


def _cut(axis: Axes, scores: FloatArray) -> None:
    """Cuts off what lies so far above the rest that nothing else could be told apart, and says so."""
    told = scores[np.isfinite(scores)]
    low, top = told.min(), np.quantile(told, 0.75)
    highest = top + 1.5 * (top - low)
    if low < highest < told.max():
        margin = 0.05 * (highest - low)
        axis.set_ylim(low - margin, highest)
        axis.set_title(f"{(told > highest).sum()} above the picture", fontsize=8, loc="left", color=_PRUNED)


def _draw_importances(axis: Axes, importances: Mapping[str, float]) -> None:
    names = list(importances)[::-1]
    axis.barh(names, [importances[name] for name in names], color=_BEST, height=0.6)
    axis.set_xlim(0, 1)
    axis.set_xlabel("share in the differences (fANOVA)")
