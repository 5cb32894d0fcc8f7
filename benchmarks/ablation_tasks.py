"""The data sets of the ablation without their test parts, each with the base configuration of its fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.data import etth1, m3, m4_hourly, nn5
from benchmarks.tasks import Task, long_panel
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.config.cycles import Cycles
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel

_M4_EVERY = 4  # one series in so many


def base_config(panel: Panel, horizon: int, season_length: int, split: SplitConfig) -> ForecasterConfig:
    """Gives the default configuration without its skip and with a short training; context and patches are resolved.

    Beside a ridge, which on some data leaves an encoder nothing to add, its parts would make no difference.
    """
    longest = int(panel.lengths.max())
    model = ModelConfig(horizon=horizon, season_length=season_length, skip="none").resolved(
        Cycles(season_length), longest
    )
    training = TrainingConfig(max_steps=300, steps_per_validation=100, num_threads=1)
    return ForecasterConfig(model=model, training=training, split=split)


def etth1_task(folder: Path) -> Task:
    """Judges the 4 months of the classic validation part, every 7 hours so that all hours of the day take part."""
    data = etth1(folder)
    panel = read_panel(data.table.iloc[: data.validation_end]).panel
    num_test = (data.validation_end - data.train_end - 96) // 7 + 1
    return _task("etth1", panel, 96, 24, SplitConfig(num_validation_folds=120, num_test_folds=num_test, step=7))


def m3_monthly_task(folder: Path) -> Task:
    """Judges the last 18 months of the training parts."""
    table = m3(folder).query("period == 'monthly' and split == 'train'")
    return _task("m3_monthly", long_panel(table), 18, 12, SplitConfig(num_validation_folds=1, num_test_folds=1))


def nn5_task(folder: Path) -> Task:
    """Judges the last two horizons of the training parts."""
    table = nn5(folder).query("split == 'train'")
    return _task("nn5", long_panel(table), 56, 7, SplitConfig(num_validation_folds=2, num_test_folds=2))


def m4_hourly_task(folder: Path) -> Task:
    """Judges the last two horizons of the training parts of a quarter of the series."""
    table = m4_hourly(folder).query("split == 'train'").astype({"unique_id": str})
    chosen = sorted(table["unique_id"].unique())[::_M4_EVERY]
    panel = long_panel(table[table["unique_id"].isin(chosen)])
    return _task("m4_hourly", panel, 48, 24, SplitConfig(num_validation_folds=2, num_test_folds=2))


TASKS: dict[str, Callable[[Path], Task]] = {
    "etth1": etth1_task,
    "m3_monthly": m3_monthly_task,
    "nn5": nn5_task,
    "m4_hourly": m4_hourly_task,
}


def _task(name: str, panel: Panel, horizon: int, season_length: int, split: SplitConfig) -> Task:
    return Task(name, panel, season_length, base_config(panel, horizon, season_length, split))
