"""The data sets that the pretrained encoder is asked about, with real timestamps, and the windows of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import data
from forecaster.baselines import SeasonalNaive
from forecaster.bundle import Bundle
from forecaster.config import DEFAULT_LEVELS, TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.splits import Fold, rolling_origin
from forecaster.evaluation import Evaluation, WindowForecaster, evaluate, window_scales
from forecaster.predictor import Predictor
from forecaster.pretrained import encoder_for

_M3 = {"yearly": ("YS", 6), "quarterly": ("QS", 8), "monthly": ("MS", 18), "other": ("step", 8)}
_FIRST = "1980-01-01"


@dataclass(frozen=True)
class Task:
    """One data set, and how far ahead it is forecast from which cutoffs."""

    name: str
    panel: Panel
    folds: tuple[Fold, ...]

    @property
    def season_length(self) -> int:
        """Steps of the cycle of its frequency: that of MASE and of the seasonal naive."""
        return self.panel.axis.frequency.season_length

    def evaluated(self, forecaster: WindowForecaster) -> Evaluation:
        """Lets a forecaster forecast all windows, at nine levels."""
        return evaluate(forecaster, self.panel, self.folds, DEFAULT_LEVELS)

    def thinned(self, most: int) -> Task:
        """Gives the same with about `most` windows, evenly spread over each fold, for forecasters that take long."""
        each = max(1, most // len(self.folds))
        return Task(self.name, self.panel, tuple(_thinned(fold, each) for fold in self.folds))


def mase(task: Task, evaluation: Evaluation, season_length: int | None = None) -> float:
    """Gives the mean over windows of the median's absolute error over that of the seasonal naive in the history."""
    season_length = task.season_length if season_length is None else season_length
    scales = window_scales(task.panel, evaluation.series, evaluation.cutoffs, season_length)
    known = np.isfinite(evaluation.actual).any(axis=1)
    errors = np.abs(evaluation.actual - evaluation.quantiles[..., evaluation.levels.index(0.5)])[known]
    return float(np.nanmean(np.nanmean(errors, axis=1) / scales[known]))


def weighted_quantile_loss(evaluation: Evaluation) -> float:
    """Gives twice the pinball loss, mean over levels, over the sum of what happened."""
    levels = np.asarray(evaluation.levels)
    error = evaluation.actual[..., None] - evaluation.quantiles
    pinball = np.maximum(levels * error, (levels - 1) * error)
    return float(2 * np.nansum(pinball) / len(levels) / np.nansum(np.abs(evaluation.actual)))


def as_point(evaluation: Evaluation) -> Evaluation:
    """Gives the same forecasts without intervals: all quantiles are the median."""
    middle = evaluation.levels.index(0.5)
    medians = np.broadcast_to(evaluation.quantiles[..., [middle]], evaluation.quantiles.shape)
    return replace(evaluation, quantiles=medians)


def geometric_mean(ratios: Iterable[float]) -> float:
    """Gives the mean that ratios have: the exponential of the mean of their logarithms."""
    return float(np.exp(np.mean([np.log(ratio) for ratio in ratios])))


def fitted(task: Task, encoder: Bundle | None = None) -> Predictor:
    """Gives a pretrained encoder, by default the one in the box, as it suits a data set and its horizon."""
    frequency, longest = task.panel.axis.frequency, int(task.panel.lengths.max())
    return encoder_for(frequency, longest, horizon=task.folds[0].horizon, encoder=encoder).predictor


class RelativeScore:
    """MASE relative to the seasonal naive, as the geometric mean over data sets."""

    def __init__(self, data: Iterable[Task]) -> None:
        self._tasks = list(data)
        self._naive = [mase(task, task.evaluated(SeasonalNaive(task.season_length))) for task in self._tasks]

    def of(self, forecaster_for: Callable[[Task], WindowForecaster]) -> float:
        """Gives the score of what is fitted to each data set by `forecaster_for`."""
        return geometric_mean(
            mase(task, task.evaluated(forecaster_for(task))) / naive
            for task, naive in zip(self._tasks, self._naive, strict=True)
        )


def tasks(folder: Path) -> Iterator[Task]:
    """Yields all ten: competitions over their test part, the others over rolling origins at the end of each series."""
    m3 = data.m3(folder)
    for period, (frequency, horizon) in _M3.items():
        yield _task(f"m3_{period}", _dated(m3[m3["period"] == period], frequency), horizon)
    yield _task("m4_hourly", _dated(data.m4_hourly(folder), "h"), 48)
    yield _task("nn5", _dated(data.nn5(folder), "D"), 56)
    exchange = data.exchange(folder).table.drop(columns="date", errors="ignore")
    yield _task("exchange", _dated(_long(exchange), "B"), 30, num_folds=20)
    etth1 = data.etth1(folder).table.drop(columns="date")
    yield _task("etth1", _dated(_long(etth1), "h"), 48, num_folds=20)
    yield _task("price", data.price(folder)[["unique_id", "ds", "y"]], 24, num_folds=7)
    yield _task("influenza", _influenza(folder), 8, num_folds=20)


def _task(name: str, table: pd.DataFrame, horizon: int, num_folds: int = 1) -> Task:
    panel = read_panel(table[["unique_id", "ds", "y"]], TableConfig()).panel
    return Task(name, panel, rolling_origin(panel, horizon, num_folds))


def _long(table: pd.DataFrame) -> pd.DataFrame:
    counted = table.reset_index(drop=True).rename_axis("ds").reset_index()
    return counted.melt("ds", var_name="unique_id", value_name="y").astype({"unique_id": "str"})


def _dated(table: pd.DataFrame, frequency: str) -> pd.DataFrame:
    """Gives counted steps dates of that frequency, so that a season is known as it is to whoever has timestamps."""
    if frequency == "step":
        return table
    steps = table["ds"] - table["ds"].min()
    dates = pd.date_range(_FIRST, periods=int(steps.max()) + 1, freq=frequency)
    return table.assign(ds=dates[steps.to_numpy()])


def _influenza(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "us_influenza.csv", parse_dates=["DATE"]).rename(columns={"DATE": "ds"})
    return table.melt("ds", var_name="unique_id", value_name="y").dropna(subset=["ds"])


def _thinned(fold: Fold, most: int) -> Fold:
    places = np.unique(np.linspace(0, len(fold.series) - 1, min(most, len(fold.series))).round().astype(np.int64))
    return Fold(fold.number, fold.series[places], fold.cutoffs[places], fold.horizon, fold.gap)
