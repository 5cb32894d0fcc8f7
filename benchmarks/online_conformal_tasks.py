"""What adaption is measured on: series whose noise grows and shrinks back, and real series in which nothing breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import LongHorizon, etth1, exchange, m4_hourly
from benchmarks.tasks import fit_in_passing, long_panel
from forecaster.arrays import FloatArray, IntArray
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.predictor import Predictor

HORIZON = 24
_SEASON = 24

# Of synthetic series: steps to learn from, then before the break, with the break, and after it.
LEARNED, BEFORE, BROKEN, AFTER = 1200, 300, 500, 500
NUM_SERIES = 20
_VALIDATION_FOLDS = 8
_M4_SERIES, _M4_LENGTH, _M4_STEPS = 100, 700, 240


@dataclass(frozen=True)
class Rolled:
    """Forecasts of S series from T consecutive origins, and what followed; origin t sees the steps before t."""

    quantiles: FloatArray  # [S T H Q]
    actual: FloatArray  # [S T H]
    levels: tuple[float, ...]


def config(seed: int, split: SplitConfig, season_length: int = _SEASON) -> ForecasterConfig:
    """Gives a small model with a short training."""
    model = ModelConfig(horizon=HORIZON, season_length=season_length, d_model=32, d_ff=64)
    training = TrainingConfig(max_steps=300, steps_per_validation=50, patience=4, num_threads=1, seed=seed)
    return ForecasterConfig(model=model, training=training, split=split)


def broken_table(seed: int, ratio: float) -> pd.DataFrame:
    """Gives hourly series of a day's cycle and noise, whose deviation is `ratio` times as large during the break."""
    draw = np.random.default_rng(seed)
    steps = np.arange(LEARNED + BEFORE + BROKEN + AFTER)
    begin = LEARNED + BEFORE
    deviation = np.where((steps >= begin) & (steps < begin + BROKEN), ratio, 1.0)
    parts = []
    for number in range(NUM_SERIES):
        phase, height, noise = draw.uniform(0, 2 * np.pi), draw.uniform(5, 15), draw.uniform(0.5, 2.0)
        cycle = 100 + height * np.sin(2 * np.pi * steps / _SEASON + phase)
        times = pd.date_range("2024-01-01", periods=len(steps), freq="h")
        target = cycle + noise * deviation * _persistent(draw.standard_normal(len(steps)))
        parts.append(pd.DataFrame({"unique_id": f"s{number:02d}", "ds": times, "y": target}))
    return pd.concat(parts, ignore_index=True)


def _persistent(shocks: FloatArray, share: float = 0.5) -> FloatArray:
    """Gives noise of deviation 1 that keeps this share of itself from step to step."""
    found = np.empty_like(shocks)
    found[0] = shocks[0]
    for step in range(1, len(shocks)):
        found[step] = share * found[step - 1] + np.sqrt(1 - share**2) * shocks[step]
    return found


def broken(seed: int, ratios: Sequence[float]) -> dict[float, Rolled]:
    """Trains a model on what lies before, and rolls it over the break of each size."""
    split = SplitConfig(num_validation_folds=_VALIDATION_FOLDS, num_test_folds=0)
    learned = broken_table(seed, 1.0).groupby("unique_id").head(LEARNED)
    predictor = fit_in_passing(read_panel(learned).panel, config(seed, split)).predictor
    origins = np.arange(LEARNED, LEARNED + BEFORE + BROKEN + AFTER - HORIZON + 1)
    return {ratio: rolled(predictor, read_panel(broken_table(seed, ratio)).panel, origins) for ratio in ratios}


def rolled(predictor: Predictor, panel: Panel, origins: IntArray) -> Rolled:
    """Forecasts all series from the same origins [T], counted from the begin of each."""
    num_series, num_origins = len(panel), len(origins)
    series, cutoffs = np.repeat(np.arange(num_series), num_origins), np.tile(origins, num_series)
    quantiles = predictor.forecast_windows(panel, series, cutoffs, HORIZON, predictor.levels)
    targets = np.stack([panel.target(place) for place in range(num_series)])
    actual = targets[:, origins[:, np.newaxis] + np.arange(HORIZON)]
    return Rolled(quantiles.reshape(num_series, num_origins, HORIZON, -1), actual, predictor.levels)


def etth1_rolled(folder: Path, *, is_test: bool = True) -> Rolled:
    """Rolls over the test rows of ETTh1, or the validation rows, with a model of what lies before."""
    return _long_horizon(etth1(folder), _SEASON, is_test=is_test)


def exchange_rolled(folder: Path, *, is_test: bool = True) -> Rolled:
    """Rolls over the test rows of the exchange rates, or the validation rows, with a model of what lies before."""
    return _long_horizon(exchange(folder), 1, is_test=is_test)


def m4_hourly_rolled(folder: Path, *, is_test: bool = True) -> Rolled:
    """Rolls over the last ten days of 100 series of M4 hourly, or of 100 others to choose by."""
    table = m4_hourly(folder)
    names = sorted(table["unique_id"].unique())
    chosen = names[:_M4_SERIES] if is_test else names[_M4_SERIES : 2 * _M4_SERIES]
    tails = table[table["unique_id"].isin(chosen)].groupby("unique_id").tail(_M4_LENGTH)
    return _rolled_over(long_panel(tails.assign(ds=tails.groupby("unique_id").cumcount())), _M4_LENGTH - _M4_STEPS)


def _long_horizon(data: LongHorizon, season_length: int, *, is_test: bool) -> Rolled:
    begin, end = (data.validation_end, len(data.table)) if is_test else (data.train_end, data.validation_end)
    return _rolled_over(read_panel(data.table.head(end)).panel, begin, season_length)


def _rolled_over(panel: Panel, begin: int, season_length: int = _SEASON) -> Rolled:
    """Fits on the first steps of series of one length, and rolls over all others."""
    split = SplitConfig(num_validation_folds=_VALIDATION_FOLDS, num_test_folds=0)
    learned = panel.head(np.full(len(panel), begin))
    predictor = fit_in_passing(learned, config(0, split, season_length)).predictor
    return rolled(predictor, panel, np.arange(begin, int(panel.lengths.min()) - HORIZON + 1))


REAL: dict[str, Callable[..., Rolled]] = {
    "etth1": etth1_rolled,
    "exchange": exchange_rolled,
    "m4_hourly": m4_hourly_rolled,
}
