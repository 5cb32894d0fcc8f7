"""The data sets of the calibration benchmark as tasks, test parts included, with the settings of their fits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.data import LongHorizon, etth1, exchange, m3, m4_hourly, nn5, price
from benchmarks.tasks import Task, long_panel
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel

KNOWN_PRICES = ("Exogenous1", "Exogenous2", *(f"day_{day}" for day in range(7)))


def configuration(horizon: int, season_length: int, split: SplitConfig) -> ForecasterConfig:
    """Gives the defaults with a shorter training."""
    model = ModelConfig(horizon=horizon, season_length=season_length)
    training = TrainingConfig(max_steps=400, steps_per_validation=50, patience=4, num_threads=1)
    return ForecasterConfig(model=model, training=training, split=split)


def _long_horizon(load: Callable[[Path], LongHorizon], season_length: int, folder: Path) -> Task:
    data = load(folder)
    config = configuration(96, season_length, data.split(96))
    return Task(data.name, read_panel(data.table).panel, season_length, config)


def _m3(period: str, horizon: int, season_length: int, num_validation_folds: int, folder: Path) -> Task:
    split = SplitConfig(num_validation_folds=num_validation_folds, num_test_folds=1)
    panel = long_panel(m3(folder).query(f"period == '{period}'"))
    return Task(f"m3_{period}", panel, season_length, configuration(horizon, season_length, split))


def _m4_hourly(folder: Path) -> Task:
    return _last_fold("m4_hourly", long_panel(m4_hourly(folder)), 48, 24)


def _nn5(folder: Path) -> Task:
    return _last_fold("nn5", long_panel(nn5(folder)), 56, 7)


def _last_fold(name: str, panel: Panel, horizon: int, season_length: int) -> Task:
    split = SplitConfig(num_validation_folds=4, num_test_folds=1)
    return Task(name, panel, season_length, configuration(horizon, season_length, split))


def _price(folder: Path) -> Task:
    """Tests the last 7 days; the four weeks before them are there to calibrate on."""
    split = SplitConfig(num_validation_folds=28, num_test_folds=7)
    return Task("price", long_panel(price(folder), KNOWN_PRICES), 24, configuration(24, 24, split))


# Yearly series have 20 steps or more: those that a second validation fold is too much for have one.
TASKS: dict[str, Callable[[Path], Task]] = {
    "etth1": partial(_long_horizon, etth1, 24),
    "exchange": partial(_long_horizon, exchange, 1),
    "m3_yearly": partial(_m3, "yearly", 6, 1, 2),
    "m3_quarterly": partial(_m3, "quarterly", 8, 4, 3),
    "m3_monthly": partial(_m3, "monthly", 18, 12, 3),
    "m3_other": partial(_m3, "other", 8, 1, 3),
    "m4_hourly": _m4_hourly,
    "nn5": _nn5,
    "price": _price,
}
