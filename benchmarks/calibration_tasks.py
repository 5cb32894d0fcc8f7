"""The data sets of the calibration benchmark as tasks, test parts included, with the settings of their own benchmarks.

Only the split is another one: calibration learns from the validation folds, so there are as many as the series allow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import data, long_horizon, m3, m4_hourly, nn5, price
from benchmarks.tasks import Task, long_panel
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig
from forecaster.data.reading import read_panel

_POINT_FORECAST = {"head", "levels"}  # settings of `long_horizon`, whose scores know no intervals


def _long_horizon(load: Callable[[Path], data.LongHorizon], season_length: int, folder: Path) -> Task:
    rows = load(folder)
    model, training = long_horizon.configuration(96, 512, seed=0)
    model = ModelConfig(**model.model_dump(include=model.model_fields_set - _POINT_FORECAST))
    config = ForecasterConfig(model=model, training=training, split=rows.split(96))
    return Task(rows.name, read_panel(rows.table).panel, season_length, config)


def _m3(period: str, num_validation_folds: int, folder: Path) -> Task:
    settings = m3.PERIODS[period]
    config = _split(m3.configuration(settings, num_members=1), num_validation_folds)
    panel = long_panel(data.m3(folder).query(f"period == '{period}'"))
    return Task(f"m3_{period}", panel, settings.season_length, config, m3.start())


def _m4_hourly(folder: Path) -> Task:
    config = _split(m4_hourly.configuration(num_members=1), 4)
    return Task("m4_hourly", long_panel(data.m4_hourly(folder)), m4_hourly.SEASON_LENGTH, config, m4_hourly.start())


def _nn5(folder: Path) -> Task:
    return Task("nn5", long_panel(data.nn5(folder)), nn5.SEASON_LENGTH, _split(nn5.configuration(num_members=1), 4))


def _price(folder: Path) -> Task:
    """Tests the last 7 days; the four weeks before them are there to calibrate on."""
    config = _split(price.configuration(num_members=1), 28, price.NUM_DAYS)
    return Task("price", long_panel(data.price(folder), price.KNOWN), 24, config)


def _split(config: ForecasterConfig, num_validation_folds: int, num_test_folds: int = 1) -> ForecasterConfig:
    split = SplitConfig(num_validation_folds=num_validation_folds, num_test_folds=num_test_folds)
    return config.model_copy(update={"split": split})


# Yearly series have 20 steps or more: those that a second validation fold is too much for have one.
TASKS: dict[str, Callable[[Path], Task]] = {
    "etth1": partial(_long_horizon, data.etth1, 24),
    "exchange": partial(_long_horizon, data.exchange, 1),
    "m3_yearly": partial(_m3, "yearly", 2),
    "m3_quarterly": partial(_m3, "quarterly", 3),
    "m3_monthly": partial(_m3, "monthly", 3),
    "m3_other": partial(_m3, "other", 3),
    "m4_hourly": _m4_hourly,
    "nn5": _nn5,
    "price": _price,
}
