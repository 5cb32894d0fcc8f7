"""What a backtest has found, as tables: every step of every window, or the metrics by series, fold or step."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray, IntArray, places_of_each
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, cutoff_times
from forecaster.evaluation import Evaluation, losses_of
from forecaster.metrics import POINT, Scores, StepLosses, scores_of, share_name
from pipelines.backtest.backtest import Backtest

Group = Literal["series", "fold", "step"]


def step_table(found: Backtest) -> pd.DataFrame:
    """Gives one row per role, window and step, by role, fold, series and step.

    Columns: `role`; `series` (its id); `fold` (0 is the oldest); `cutoff` (time of the first step that is not seen);
    `step` (1 .. horizon); `timestamp` (of the step); `actual`; `forecast` (at level 0.5); and what the step adds to
    each metric: `mase`, `rmsse` (absolute errors over the scale of each), `smape`, `quantile_loss` (of a group of rows,
    its sum over that of |actual| is the weighted quantile loss), `crps`, `scaled_crps`, `bias` (scaled, above 0 where
    the forecast is too high), `coverage_80` (1 or 0) and `interval_score_80`, these two for each central interval.
    All but the first six columns are NaN where nothing is scored: a value is missing, or the step lies in the gap.
    """
    return pd.concat([_steps(role, each, found.panel) for role, each in found.evaluations.items()], ignore_index=True)


def score_table(found: Backtest, by: Group) -> pd.DataFrame:
    """Gives the metrics of each role for each series (`series`, its id), fold (`fold`) or step (`step`, from 1).

    Columns: `role`; `by`; the metrics under the names of `Scores.as_metrics`, NaN where nothing could be scored; and
    except by step `num_windows`. Metrics of a series or fold are defined as those of all windows.
    """
    tables = [_scored(each, found.panel, by).assign(role=role) for role, each in found.evaluations.items()]
    joined = pd.concat(tables, ignore_index=True)
    return joined[["role", by, *joined.columns.drop(["role", by])]]


def _steps(role: str, evaluation: Evaluation, panel: Panel) -> pd.DataFrame:
    num_windows, horizon = evaluation.actual.shape
    each = np.repeat(np.arange(num_windows), horizon)
    steps = np.tile(np.arange(horizon), num_windows)
    ids = np.asarray(panel.series_ids, dtype=object)
    point = evaluation.quantiles[:, :, evaluation.levels.index(POINT)]
    losses = losses_of(evaluation, panel)
    return pd.DataFrame(
        {
            "role": role,
            "series": ids[evaluation.series][each],
            "fold": evaluation.fold[each],
            "cutoff": _times(panel, evaluation.series, evaluation.cutoffs)[each],
            "step": steps + 1,
            "timestamp": _times(panel, evaluation.series[each], evaluation.cutoffs[each] + steps),
            "actual": losses.actual.ravel(),
            "forecast": np.where(np.isnan(losses.actual), np.nan, point).ravel(),
            **{name: term.ravel() for name, term in _terms(losses).items()},
        }
    )


def _times(panel: Panel, series: IntArray, cutoffs: IntArray) -> pd.Index:
    return panel.axis.label(cutoff_times(panel, WindowAddresses(series, cutoffs)))


def _terms(losses: StepLosses) -> dict[str, FloatArray]:
    return {
        "mase": np.abs(losses.scaled_error),
        "rmsse": losses.root_scaled_error,
        "smape": losses.smape,
        "quantile_loss": losses.quantile_loss,
        "crps": losses.crps,
        "scaled_crps": losses.scaled_crps,
        "bias": losses.scaled_error,
        **{share_name("coverage", share): term for share, term in losses.inside.items()},
        **{share_name("interval_score", share): term for share, term in losses.interval_score.items()},
    }


def _scored(evaluation: Evaluation, panel: Panel, by: Group) -> pd.DataFrame:
    if by == "step":
        curves = evaluation.scores.as_metrics_by_step()
        named = {name.removesuffix("_by_step"): curve for name, curve in curves.items()}
        return pd.DataFrame({"step": np.arange(1, evaluation.actual.shape[1] + 1), **named})
    losses = losses_of(evaluation, panel)
    groups = evaluation.series if by == "series" else evaluation.fold
    rows = [_row(number, scores_of(losses.at(places))) for number, places in places_of_each(groups)]
    table = pd.DataFrame(rows, columns=["number", "num_windows", *_names(evaluation.scores)])
    numbers = table.pop("number").to_numpy()
    shown = np.asarray(panel.series_ids, dtype=object)[numbers] if by == "series" else numbers
    return table.assign(**{by: shown})


def _row(number: int, scores: Scores) -> dict[str, float]:
    return {"number": number, "num_windows": scores.num_windows, **scores.as_metrics()}


def _names(scores: Scores) -> list[str]:
    """Gives the names of all metrics, those that could not be scored too."""
    return [name.removesuffix("_by_step") for name in scores.as_metrics_by_step()]
